import { dropletKind } from '../droplet-state/index.ts';
import type { Product } from '../product.ts';
import { dropletReconciler } from './reconcile.ts';
import { dropletsOperations } from './routes.ts';
import { hostEntryInventory, machineInventory } from './sweep.ts';
import { dropletTaggable } from './taggable.ts';
import { continueDroplets, holdQuarantined } from './take-over.ts';

export { dropletsByImage } from './by-image.ts';
export { type CreateDeps, createDroplets } from './create.ts';
export { destroyOperation, removeDroplet } from './destroy.ts';
export { dismissDroplet, leavePool } from './members.ts';
export { instanceName, keptConsole } from './row.ts';
export { DropletSchema } from './schema.ts';
export { dropletViews } from './view.ts';

export const product: Product = {
  operations: dropletsOperations,
  reconcilers: (deps) => [dropletReconciler(deps)],
  inventories: (deps) => [machineInventory(deps), hostEntryInventory(deps)],
  taggable: { droplet: dropletTaggable },
  watched: { droplet: dropletKind },
  takeOver: continueDroplets,
  holdQuarantined,
};
