import type { Product } from '../product.ts';
import { keysOperations } from './routes.ts';

export { findKey, keysFor, type SshKey } from './queries.ts';

export const product: Product = {
  operations: keysOperations,
};
