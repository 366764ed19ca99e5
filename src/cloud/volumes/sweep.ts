/** Finds bytes without an owner and owners without bytes. */
import { wake } from '../../control/reconcile.ts';
import { EngineError } from '../../engine/errors.ts';
import type { VolumeReconcilerOptions } from './reconcile.ts';
import { volumeKind, volumeSnapshotKind } from './wanted.ts';

/** What a sweep did: how many volumes and snapshots it woke, and how many orphans it removed. */
export interface Swept {
  woken: number;
  orphans: number;
}

/**
 * Compares the host's volumes and snapshots with the database once. What has no row is deleted; a row whose bytes
 * are missing or too small, or that is deleted and not gone, is woken. The host is asked first: what is made
 * meanwhile has its row already and cannot look like an orphan.
 */
export async function sweepVolumes({ store, clock, log, host }: VolumeReconcilerOptions): Promise<Swept> {
  const found = await host.volumes();
  const [volumes, snapshots] = await Promise.all([
    store.db
      .selectFrom('volumes')
      .select(['id', 'size_gib', 'missing_at', 'deleted_at'])
      .where('gone_at', 'is', null)
      .execute(),
    store.db
      .selectFrom('volume_snapshots')
      .select(['id', 'status', 'missing_at', 'deleted_at'])
      .where('gone_at', 'is', null)
      .execute(),
  ]);
  const swept: Swept = { woken: 0, orphans: 0 };

  async function orphan(what: string, id: string, remove: () => Promise<void>) {
    log.warn({ id }, `a ${what} without an owner is deleted`);
    try {
      await remove();
      swept.orphans++;
    } catch (error) {
      // A machine that is an orphan itself has it: the next sweep.
      if (!(error instanceof EngineError && error.kind === 'busy')) throw error;
    }
  }

  async function rouse(kind: string, id: string) {
    await wake(store.db, kind, id, clock.now());
    swept.woken++;
  }

  const owners = new Set([...volumes, ...snapshots].map(({ id }) => id));
  for (const { id } of found.volumes)
    if (!owners.has(id)) await orphan('volume', id, () => host.deleteVolume(id));
  for (const id of found.snapshots)
    if (!owners.has(id)) await orphan('volume snapshot', id, () => host.deleteVolumeSnapshot(id));

  const sizes = new Map(found.volumes.map(({ id, sizeGib }) => [id, sizeGib]));
  for (const { id, size_gib, missing_at, deleted_at } of volumes)
    if (deleted_at || missing_at || (sizes.get(id) ?? 0) < size_gib) await rouse(volumeKind, id);
  const kept = new Set(found.snapshots);
  for (const { id, status, missing_at, deleted_at } of snapshots)
    if (deleted_at || missing_at || status === 'pending' || !kept.has(id))
      await rouse(volumeSnapshotKind, id);
  return swept;
}
