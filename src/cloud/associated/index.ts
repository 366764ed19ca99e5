import type { Product } from '../product.ts';
import { associatedReconciler } from './reconcile.ts';
import { associatedOperations } from './routes.ts';

export const product: Product = {
  operations: associatedOperations,
  reconcilers: (deps) => [associatedReconciler(deps)],
};
