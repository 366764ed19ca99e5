import type { Clock } from '../control/clock.ts';
import type { Operation } from '../http/operation.ts';
import type { Store } from '../store/store.ts';
import { accountOperations } from './account/index.ts';
import { actionsOperations } from './actions/index.ts';
import { associatedOperations } from './associated/index.ts';
import { autoscaleOperations } from './autoscale/index.ts';
import { backupsOperations } from './backups/index.ts';
import { type DropletContext, dropletsOperations, dropletTaggable } from './droplets/index.ts';
import { firewallsOperations } from './firewalls/index.ts';
import { imagesOperations, imageTaggable } from './images/index.ts';
import { keysOperations } from './keys/index.ts';
import { oneClicksOperations } from './one-clicks/index.ts';
import { regionsOperations } from './regions/index.ts';
import { reservedIpsOperations } from './reserved-ips/index.ts';
import { sizesOperations } from './sizes/index.ts';
import { snapshotsOperations } from './snapshots/index.ts';
import { tagsOperations } from './tags/index.ts';
import { volumeSnapshotTaggable, volumesOperations, volumeTaggable } from './volumes/index.ts';
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
    ...associatedOperations(deps),
    ...autoscaleOperations({ ...deps, context }),
    ...backupsOperations(deps),
    ...dropletsOperations({ ...deps, context }),
    ...firewallsOperations(),
    ...imagesOperations({ ...deps, imageHost: context.imageHost }),
    ...keysOperations(deps),
    ...oneClicksOperations(),
    ...regionsOperations(),
    ...reservedIpsOperations({ ...deps, context }),
    ...sizesOperations(context),
    ...snapshotsOperations(deps),
    ...tagsOperations({
      ...deps,
      resources: {
        droplet: dropletTaggable,
        image: imageTaggable,
        volume: volumeTaggable,
        volume_snapshot: volumeSnapshotTaggable,
      },
    }),
    ...volumesOperations(deps),
    ...vpcsOperations(deps),
  ];
}
