import type { Product } from '../product.ts';
import { vpcsOperations } from './routes.ts';
import { vpcNetworkInventory } from './sweep.ts';

export { defaultRange, defaultVpc } from './defaults.ts';
export { findVpc, type Vpc, vpcRangeOf } from './queries.ts';
export { VpcSchema, type VpcView, vpcView } from './view.ts';

export const product: Product = {
  operations: vpcsOperations,
  inventories: (deps) => [vpcNetworkInventory(deps)],
};
