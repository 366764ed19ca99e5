import { holdUuids } from '../tags/index.ts';

/** The team's volumes, and its snapshots of volumes, among these ids, for tagging them. */
export const volumeTaggable = holdUuids('volumes');
export const volumeSnapshotTaggable = holdUuids('volume_snapshots');
