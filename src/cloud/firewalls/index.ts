import type { Product } from '../product.ts';
import { firewallsOperations } from './routes.ts';

export const product: Product = {
  operations: firewallsOperations,
};
