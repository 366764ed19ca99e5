import type { Clock } from '../control/clock.ts';
import type { Operation } from '../http/operation.ts';
import type { Store } from '../store/store.ts';
import { accountOperations } from './account/index.ts';
import { actionsOperations } from './actions/index.ts';
import { type DropletContext, dropletsOperations, dropletTaggable } from './droplets/index.ts';
import { imagesOperations } from './images/index.ts';
import { keysOperations } from './keys/index.ts';
import { regionsOperations } from './regions/index.ts';
import { sizesOperations } from './sizes/index.ts';
import { tagsOperations } from './tags/index.ts';
import { vpcsOperations } from './vpcs/index.ts';

export interface CloudDeps {
  store: Store;
  clock: Clock;
  mode: 'real' | 'simulated';
  context: DropletContext;
}

/** Every operation of every product: what this Atoll has built. */
export function cloudOperations({ store, clock, mode, context }: CloudDeps): Operation[] {
  const deps = { store, clock };
  return [
    ...accountOperations({ ...deps, mode }),
    ...actionsOperations(deps),
    ...dropletsOperations({ ...deps, context }),
    ...imagesOperations(context),
    ...keysOperations(deps),
    ...regionsOperations(),
    ...sizesOperations(context),
    ...tagsOperations({ ...deps, resources: { droplet: dropletTaggable } }),
    ...vpcsOperations(deps),
  ];
}
