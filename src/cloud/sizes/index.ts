export { findSize, regionSlugs, type Size, sizes } from './catalogue.ts';
export { type SizesDeps, sizesOperations } from './routes.ts';
export { orderableSize, SizeSchema, type SizeView, sizeView } from './view.ts';
