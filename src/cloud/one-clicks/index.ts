import type { Product } from '../product.ts';
import { oneClicksOperations } from './routes.ts';

export { type Application, applications, applicationVendorData } from './catalogue.ts';

export const product: Product = {
  operations: oneClicksOperations,
};
