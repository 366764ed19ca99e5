import type { Product } from '../product.ts';
import { regionsOperations } from './routes.ts';

export { findRegion, type Region, regions } from './catalogue.ts';
export { checkRegion, unknownRegion } from './check.ts';
export { imageRegions, RegionSchema, type RegionView, regionView } from './view.ts';

export const product: Product = {
  operations: regionsOperations,
};
