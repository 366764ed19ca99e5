import type { Product } from '../product.ts';
import { sizesOperations } from './routes.ts';

export { findSize, regionSlugs, type Size, sizes } from './catalogue.ts';
export { orderableSize, SizeSchema, type SizeView, sizeView } from './view.ts';

export const product: Product = {
  operations: ({ context }) => sizesOperations(context),
};
