/** Takes the snapshots of volumes, and deletes them. */
import { hopeless } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import { wake } from '../../control/reconcile.ts';
import { EngineError } from '../../engine/errors.ts';
import { volumeDevice } from './device.ts';
import { lookAgainMs, snapshotIsMissing } from './missing.ts';
import { mostCopies, type VolumeReconcilerOptions } from './reconcile.ts';
import { selectVolumes } from './row.ts';
import { copyPatienceMs } from './snapshot-gate.ts';
import { emptyBytes, type SnapshotRow, selectSnapshots } from './snapshot-row.ts';
import { volumeKind, volumeSnapshotKind } from './wanted.ts';

/** A snapshot that cannot be taken disappears: there is nobody to tell why. */
const notTold = { exhausted: 'no room', rejected: 'refused' };

export function volumeSnapshotReconciler(options: Omit<VolumeReconcilerOptions, 'compute'>): Reconciler {
  const { store, clock, log, host } = options;
  async function reconcile(id: string, run: Run): Promise<Outcome | void> {
    const row = await selectSnapshots(store.db).where('id', '=', id).executeTakeFirst();
    if (!row || row.gone_at) return { forget: true };
    const wanting = row.deleted_at && row.status !== 'error' ? await wantsFrom(id) : undefined;
    // One that is deleted is still taken where a volume is to be made from it.
    if (row.deleted_at && !(wanting && row.status === 'pending')) {
      return wanting ? waitFor(wanting, row, run) : remove(row);
    }
    if (row.status !== 'pending') return look(row);
    try {
      const { bytes } = await take(row, run);
      await finish(row, { status: 'available', bytes: Math.max(0, Math.round(bytes - emptyBytes(row))) });
    } catch (error) {
      if (!hopeless(error, run, notTold)) throw error;
      log.warn({ snapshot: id, error: (error as Error).message }, 'a volume snapshot cannot be taken');
      // A snapshot without bytes would be trusted: it is better not there.
      await finish(row, { status: 'error', deleted_at: clock.now() });
    }
  }

  /** Looks whether the bytes of one that was taken are still there: it is never taken again. */
  async function look({ id, volume_id, missing_at }: SnapshotRow): Promise<Outcome | void> {
    try {
      await host.snapshotVolume(volume_id, id, { make: false });
    } catch (error) {
      if (!(error instanceof EngineError && error.kind === 'missing')) throw error;
      await snapshotIsMissing({ store, clock, log }, id, error);
      return { again: new Date(clock.now().getTime() + lookAgainMs) };
    }
    if (missing_at === null) return;
    log.info({ snapshot: id }, 'the bytes of a volume snapshot are back');
    await store.db.updateTable('volume_snapshots').set({ missing_at: null }).where('id', '=', id).execute();
  }

  async function take(row: SnapshotRow, run: Run): Promise<{ bytes: number }> {
    const volume = await selectVolumes(store.db)
      .where('volumes.id', '=', row.volume_id)
      .where('volumes.gone_at', 'is', null)
      .executeTakeFirst();
    if (!volume) throw new EngineError('rejected', `volume ${row.volume_id} is gone`);
    run.slow();
    await volumeDevice({ store, clock, log, host }, volume, run, { forSnapshot: true });
    return host.snapshotVolume(row.volume_id, row.id, { make: true });
  }

  /** Writes down how it went; both the volume and we may have waited for it. */
  async function finish(
    { id, volume_id, deleted_at }: SnapshotRow,
    end: { status: 'available'; bytes: number } | { status: 'error'; deleted_at: Date },
  ): Promise<void> {
    await store.transaction(async (tx) => {
      await tx
        .updateTable('volume_snapshots')
        .set(end)
        .where('id', '=', id)
        .where('status', '=', 'pending')
        .execute();
      await wake(tx, volumeKind, volume_id, clock.now());
      if (deleted_at || end.status === 'error') await wake(tx, volumeSnapshotKind, id, clock.now());
    });
  }

  /** The volume that is made wakes us; this is for one that a droplet's run has made. */
  function waitFor(volume: string, { id }: SnapshotRow, { waited }: Run): Outcome {
    const reason = `volume ${volume} is yet to be made from snapshot ${id}`;
    const since = waited?.for === reason ? waited.since : clock.now();
    return { waiting: { for: reason, until: new Date(since.getTime() + copyPatienceMs) } };
  }

  async function remove({ id, volume_id }: SnapshotRow): Promise<Outcome> {
    await host.deleteVolumeSnapshot(id);
    await store.transaction(async (tx) => {
      const gone_at = clock.now();
      await tx.updateTable('volume_snapshots').set({ gone_at }).where('id', '=', id).execute();
      await wake(tx, volumeKind, volume_id, gone_at);
    });
    return { forget: true };
  }

  /** A volume that wants its first bytes from the snapshot and has none yet. */
  async function wantsFrom(snapshotId: string): Promise<string | undefined> {
    const wanting = await store.db
      .selectFrom('volumes')
      .select('id')
      .where('snapshot_id', '=', snapshotId)
      .where('made_at', 'is', null)
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    return wanting?.id;
  }

  return { kind: volumeSnapshotKind, lane: 'quick', mostSlow: mostCopies, reconcile };
}
