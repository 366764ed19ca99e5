/** What the products have in the engines: what the sweep compares with the database. */
import type { Inventory } from '../control/sweep.ts';
import type { Compute } from '../engine/compute/port.ts';
import type { Host } from '../engine/host/port.ts';
import type { Store } from '../store/store.ts';
import { hostEntryInventory, machineInventory } from './droplets/index.ts';
import { importedImageInventory, keptDiskInventory } from './images/index.ts';
import { reservedIpInventory } from './reserved-ips/index.ts';
import { volumeInventory, volumeSnapshotInventory } from './volumes/index.ts';
import { vpcNetworkInventory } from './vpcs/index.ts';

/** In this order: a machine goes before the volumes and the network that it uses. */
export const inventoriesOf = (deps: { store: Store; compute: Compute; host: Host }): Inventory[] => [
  machineInventory(deps),
  hostEntryInventory(deps),
  keptDiskInventory(deps),
  importedImageInventory(deps),
  reservedIpInventory(deps),
  volumeInventory(deps),
  volumeSnapshotInventory(deps),
  vpcNetworkInventory(deps),
];
