import type { Product } from '../product.ts';
import { reservedBelongings } from './belongings.ts';
import { reservedIpReconciler } from './reconcile.ts';
import { reservedIpsOperations } from './routes.ts';
import { reservedIpInventory } from './sweep.ts';

export const product: Product = {
  operations: reservedIpsOperations,
  reconcilers: (deps) => [reservedIpReconciler(deps)],
  inventories: (deps) => [reservedIpInventory(deps)],
  belongings: reservedBelongings,
};
