/** Brings the bytes of a volume to what is wanted: there and large enough, or gone. */
import { endAction } from '../../control/actions.ts';
import type { Clock } from '../../control/clock.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { EngineError } from '../../engine/errors.ts';
import type { Host } from '../../engine/host/port.ts';
import type { Log } from '../../log.ts';
import type { Store } from '../../store/store.ts';
import { holdDroplets } from '../pending/index.ts';
import { volumeDevice } from './device.ts';
import { lookAgainMs } from './missing.ts';
import { selectVolumes, type VolumeRow } from './row.ts';
import { wakeDeletedSnapshot } from './snapshot-row.ts';
import { volumeKind } from './wanted.ts';

export interface VolumeReconcilerOptions {
  store: Store;
  clock: Clock;
  log: Log;
  host: Host;
  compute: Pick<Compute, 'list'>;
}

/** Copies of volumes and of their snapshots at once, each: more only make each other slower. */
export const mostCopies = 2;

const whyNot = {
  exhausted:
    'The host has no room for this. Delete volumes or snapshots that are not needed, then try again.',
  rejected: 'The host refused this. The operator finds the reason in: ./atoll logs',
};

export function volumeReconciler({ store, clock, log, host, compute }: VolumeReconcilerOptions): Reconciler {
  async function reconcile(id: string, run: Run): Promise<Outcome | void> {
    const row = await selectVolumes(store.db).where('volumes.id', '=', id).executeTakeFirst();
    if (!row || row.gone_at) return { forget: true };
    if (row.deleted_at) return remove(row);
    try {
      await volumeDevice({ store, clock, log, host }, row, run);
    } catch (error) {
      if (error instanceof EngineError && error.kind === 'missing') return waitFor(row, error, run);
      const reason = hopeless(error, run, whyNot);
      if (!reason || !(await resizeOf(row))) throw error;
      log.warn(
        { volume: id, error: (error as Error).message },
        'a volume cannot be resized, the action errs',
      );
      return undoResize(row, reason);
    }
    await endResize(row);
    // A snapshot that was deleted is kept until what is made from it is there.
    if (row.snapshot_id !== null) await wakeDeletedSnapshot(store.db, row.snapshot_id, clock.now());
  }

  /** The bytes of a volume, or of the snapshot it is made from, are missing: nothing is made until they are back. */
  async function waitFor(row: VolumeRow, error: EngineError, run: Run): Promise<Outcome> {
    const reason = hopeless(error, run, whyNot);
    if (reason) await undoResize(row, reason);
    return { again: new Date(clock.now().getTime() + lookAgainMs) };
  }

  async function remove({ id, snapshot_id, droplet_id, held }: VolumeRow): Promise<Outcome | void> {
    // Another volume gets the same device next, which this machine could then read.
    if (held)
      throw new EngineError('busy', `droplet ${droplet_id}, which may have volume ${id}, is not gone yet`);
    const stranger = await strangerWith(id);
    if (stranger)
      throw new EngineError(
        'busy',
        `${stranger}, which is in quarantine, has volume ${id}: see ./atoll orphans`,
      );
    const waiting = await store.db
      .selectFrom('volume_snapshots')
      .select('id')
      .where('volume_id', '=', id)
      .where('status', '=', 'pending')
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    // Its last snapshots are yet to be taken: the one that is done wakes us.
    if (waiting) return;
    await host.deleteVolume(id);
    await store.db.updateTable('volumes').set({ gone_at: clock.now() }).where('id', '=', id).execute();
    if (snapshot_id !== null) await wakeDeletedSnapshot(store.db, snapshot_id, clock.now());
    return { forget: true };
  }

  /** The machine that has a volume and that the database does not know: no row says what hangs on it. */
  async function strangerWith(id: string): Promise<string | undefined> {
    const any = await store.db.selectFrom('quarantined').select('name').limit(1).executeTakeFirst();
    if (!any) return undefined;
    return (await compute.list()).find(({ volumes }) => volumes.includes(id))?.name;
  }

  /** The resize that is pending, if any; an attach or detach is the droplet's to end. */
  async function resizeOf(row: VolumeRow): Promise<number | undefined> {
    if (row.pending_action_id === null) return undefined;
    const action = await store.db
      .selectFrom('actions')
      .select('id')
      .where('id', '=', row.pending_action_id)
      .where('type', '=', 'resize_volume')
      .executeTakeFirst();
    return action?.id;
  }

  async function endResize(row: VolumeRow): Promise<void> {
    const action = await resizeOf(row);
    if (action === undefined) return;
    await store.transaction(async (tx) => {
      await holdDroplets(tx, { teamId: row.team_id }, [row.droplet_id]);
      await tx
        .updateTable('volumes')
        .set({ pending_action_id: null })
        .where('id', '=', row.id)
        .where('pending_action_id', '=', action)
        .execute();
      await endAction(tx, action, { status: 'completed', at: clock.now() });
    });
  }

  /** The volume is as large as it was found, and the action errs. */
  async function undoResize(row: VolumeRow, message: string): Promise<void> {
    const action = await resizeOf(row);
    // A host that does not answer has grown it or will: it is as large as was asked for then.
    const there = await host.volumes().catch(() => undefined);
    const found = there?.volumes.find(({ id }) => id === row.id);
    if (action === undefined) return;
    await store.transaction(async (tx) => {
      await holdDroplets(tx, { teamId: row.team_id }, [row.droplet_id]);
      await tx
        .updateTable('volumes')
        .set({ pending_action_id: null, size_gib: found?.sizeGib ?? row.size_gib })
        .where('id', '=', row.id)
        .where('pending_action_id', '=', action)
        .execute();
      await endAction(tx, action, { status: 'errored', at: clock.now(), message });
    });
  }

  return { kind: volumeKind, lane: 'quick', mostSlow: mostCopies, reconcile };
}
