/** The kinds of the volumes' resources in the reconcile table. */
export const volumeKind = 'volume';
export const volumeSnapshotKind = 'volume_snapshot';
