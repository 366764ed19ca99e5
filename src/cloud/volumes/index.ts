import type { Product } from '../product.ts';
import { volumeBelongings } from './belongings.ts';
import { missingVolumes } from './missing.ts';
import { volumeReconciler } from './reconcile.ts';
import { volumesOperations } from './routes.ts';
import { volumeSnapshotReconciler } from './snapshot-reconcile.ts';
import { volumeInventory, volumeSnapshotInventory } from './sweep.ts';
import { volumeSnapshotTaggable, volumeTaggable } from './taggable.ts';
import { roomForVolumes } from './take-over.ts';

export { volumeDevice } from './device.ts';
export { volumesFor } from './for-droplet.ts';
export { freeVolumes, leaveVolumes, placeVolumes, releaseVolumes, settlingVolumes } from './place.ts';
export { attachedVolumes, attachment, hostVolume, type VolumeRow, volumeIdsOf, volumeUrn } from './row.ts';
export { SnapshotSchema } from './schema.ts';
export { awaitSnapshots } from './snapshot-gate.ts';
export { emptyBytes, findSnapshot, type SnapshotView, snapshotView } from './snapshot-row.ts';
export { deleteVolumeSnapshot } from './snapshots.ts';
export { volumeView } from './view.ts';

export const product: Product = {
  operations: volumesOperations,
  reconcilers: (deps) => [volumeReconciler(deps), volumeSnapshotReconciler(deps)],
  inventories: (deps) => [volumeInventory(deps), volumeSnapshotInventory(deps)],
  taggable: { volume: volumeTaggable, volume_snapshot: volumeSnapshotTaggable },
  belongings: volumeBelongings,
  takeOver: roomForVolumes,
  missingBytes: missingVolumes,
};
