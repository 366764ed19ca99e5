/** Takes the snapshots of volumes, and deletes them. */

import { EngineError } from '../../base/engine-error.ts';
import { converge } from '../../control/converge.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import { wake } from '../../control/reconcile.ts';
import { type EventChange, recordEvent } from '../../store/events.ts';
import type { Tx } from '../../store/store.ts';
import { volumeDevice } from './device.ts';
import { volumeKind, volumeSnapshotKind } from './kinds.ts';
import { lookAgainMs, snapshotIsMissing } from './missing.ts';
import { mostCopies, type VolumeReconcilerOptions } from './reconcile.ts';
import { selectVolumes } from './row.ts';
import { type ObservedSnapshot, planSnapshot, type SnapshotEnd, type SnapshotStep } from './snapshot-plan.ts';
import { emptyBytes, type SnapshotRow, selectSnapshots, volumeSnapshotUrn } from './snapshot-row.ts';

/** That a snapshot can be given up. No client reads the reason: it has no action, and disappears. */
const reasons = { exhausted: 'no room', rejected: 'refused' };

export function volumeSnapshotReconciler(deps: Omit<VolumeReconcilerOptions, 'compute'>): Reconciler {
  const { store, clock, log, host } = deps;

  async function takeStep(step: SnapshotStep, row: SnapshotRow, run: Run): Promise<ObservedSnapshot> {
    switch (step.do) {
      case 'take':
        return { taken: (await take(row, run)).bytes };
      case 'look':
        return { found: await look(row) };
      case 'delete':
        await host.deleteVolumeSnapshot(row.id);
        return { deleted: true };
    }
  }

  /** Looks whether the bytes of one that was taken are still there: it is never taken again. */
  async function look({ id, volume_id }: SnapshotRow): Promise<'there' | 'missing'> {
    try {
      await host.snapshotVolume(volume_id, id, { make: false });
      return 'there';
    } catch (error) {
      if (!(error instanceof EngineError && error.kind === 'missing')) throw error;
      await snapshotIsMissing(deps, id, error);
      return 'missing';
    }
  }

  async function take(row: SnapshotRow, run: Run): Promise<{ bytes: number }> {
    const volume = await selectVolumes(store.db)
      .where('volumes.id', '=', row.volume_id)
      .where('volumes.gone_at', 'is', null)
      .executeTakeFirst();
    if (!volume) throw new EngineError('rejected', `volume ${row.volume_id} is gone`);
    run.slow();
    await volumeDevice(deps, volume, run, { forSnapshot: true });
    return host.snapshotVolume(row.volume_id, row.id, { make: true });
  }

  /** Writes down how taking it ended, and wakes what may have waited for that: its volume's deletion, and its own. */
  async function finish(
    { id, team_id, volume_id, deleted_at }: SnapshotRow,
    end: { status: 'available'; bytes: number } | { status: 'error'; deleted_at: Date },
  ): Promise<void> {
    await store.transaction(async (tx) => {
      const at = clock.now();
      await tx
        .updateTable('volume_snapshots')
        .set(end)
        .where('id', '=', id)
        .where('status', '=', 'pending')
        .execute();
      if (!deleted_at) await tell(tx, { id, team_id }, end.status === 'error' ? 'deleted' : 'changed');
      await wake(tx, volumeKind, volume_id, at);
      if (deleted_at || end.status === 'error') await wake(tx, volumeSnapshotKind, id, at);
    });
  }

  const tell = (tx: Tx, { id, team_id: teamId }: Pick<SnapshotRow, 'id' | 'team_id'>, change: EventChange) =>
    recordEvent(tx, { at: clock.now(), teamId, urn: volumeSnapshotUrn(id), change });

  async function settle(
    row: SnapshotRow,
    end: SnapshotEnd,
    observed: ObservedSnapshot,
  ): Promise<Outcome | void> {
    const { id, volume_id, missing_at } = row;
    switch (end) {
      case 'taken':
        return finish(row, {
          status: 'available',
          bytes: Math.max(0, Math.round((observed.taken ?? 0) - emptyBytes(row))),
        });
      case 'missing':
        return { again: new Date(clock.now().getTime() + lookAgainMs) };
      case 'there':
        if (missing_at === null) return;
        log.info({ snapshot: id }, 'the bytes of a volume snapshot are back');
        await store.transaction(async (tx) => {
          await tx.updateTable('volume_snapshots').set({ missing_at: null }).where('id', '=', id).execute();
          await tell(tx, row, 'changed');
        });
        return;
      case 'gone':
        await store.transaction(async (tx) => {
          const gone_at = clock.now();
          await tx.updateTable('volume_snapshots').set({ gone_at }).where('id', '=', id).execute();
          await wake(tx, volumeKind, volume_id, gone_at);
        });
        return { forget: true };
    }
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

  /** Deletes a snapshot that cannot be taken: its owner would rely on one that is listed. */
  async function giveUp(row: SnapshotRow): Promise<boolean> {
    if (row.status !== 'pending' || (row.deleted_at && !(await wantsFrom(row.id)))) return false;
    await finish(row, { status: 'error', deleted_at: clock.now() });
    return true;
  }

  return converge<SnapshotRow, ObservedSnapshot, SnapshotStep, SnapshotEnd>(deps, {
    kind: volumeSnapshotKind,
    lane: 'quick',
    mostSlow: mostCopies,
    row: (id) =>
      selectSnapshots(store.db).where('id', '=', id).where('gone_at', 'is', null).executeTakeFirst(),
    observe: async (row) =>
      row.deleted_at && row.status !== 'error' ? { wanting: await wantsFrom(row.id) } : {},
    plan: planSnapshot,
    take: (step, row, _observed, run) => takeStep(step, row, run),
    settle,
    why: (error, run) => hopeless(error, run, reasons),
    giveUp,
  });
}
