export { defaultRange, defaultVpc } from './defaults.ts';
export { findVpc, type Vpc } from './queries.ts';
export { type VpcsDeps, vpcsOperations } from './routes.ts';
export { vpcNetworkInventory } from './sweep.ts';
export { VpcSchema, type VpcView, vpcView } from './view.ts';
