import type { Product } from '../product.ts';
import { autoscaleReconciler } from './reconcile.ts';
import { autoscaleOperations } from './routes.ts';

export { autoscaleKind } from './pool.ts';
export { autoscaleReconciler } from './reconcile.ts';

export const product: Product = {
  operations: autoscaleOperations,
  reconcilers: (deps) => [autoscaleReconciler(deps)],
};
