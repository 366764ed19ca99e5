import type { Product } from '../product.ts';
import { snapshotBelongings } from './belongings.ts';
import { snapshotsOperations } from './routes.ts';

export const product: Product = {
  operations: snapshotsOperations,
  belongings: snapshotBelongings,
};
