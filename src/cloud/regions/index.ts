export { findRegion, type Region, regions } from './catalogue.ts';
export { checkRegion, unknownRegion } from './check.ts';
export { regionsOperations } from './routes.ts';
export { imageRegions, RegionSchema, type RegionView, regionView } from './view.ts';
