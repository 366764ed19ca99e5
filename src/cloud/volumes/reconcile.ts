/** Brings the bytes of a volume to what is wanted: there and large enough, or gone. */

import { EngineError } from '../../base/engine-error.ts';
import { type ActionEnd, endAction } from '../../control/actions.ts';
import { type ConvergeDeps, converge } from '../../control/converge.ts';
import { hopeless, whyMissing } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import type { Compute } from '../../engine/compute/port.ts';
import type { Host } from '../../engine/node/port.ts';
import type { Store } from '../../store/store.ts';
import { holdDroplets } from '../droplet-state/index.ts';
import { release, setReservation } from '../hosts/index.ts';
import { volumeDevice } from './device.ts';
import { volumeKind } from './kinds.ts';
import { lookAgainMs } from './missing.ts';
import { type ObservedVolume, planVolume, type VolumeEnd, type VolumeStep } from './plan.ts';
import { selectVolumes, takenOfHost, type VolumeRow, volumeUrn } from './row.ts';
import { wakeDeletedSnapshot } from './snapshot-row.ts';

export interface VolumeReconcilerOptions extends ConvergeDeps {
  store: Store;
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

export function volumeReconciler(deps: VolumeReconcilerOptions): Reconciler {
  const { store, clock, host, compute } = deps;

  async function observe({ id, deleted_at, held }: VolumeRow): Promise<ObservedVolume> {
    // A droplet that is not gone yet is waited for, whatever else there is.
    if (!deleted_at || held) return {};
    const waiting = await store.db
      .selectFrom('volume_snapshots')
      .select('id')
      .where('volume_id', '=', id)
      .where('status', '=', 'pending')
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    return { stranger: await strangerWith(id), owesSnapshot: waiting !== undefined };
  }

  async function take(step: VolumeStep, row: VolumeRow, run: Run): Promise<ObservedVolume> {
    if (step.do === 'delete') {
      await host.deleteVolume(row.id);
      return { deleted: true };
    }
    try {
      await volumeDevice(deps, row, run);
      return { ensuredGib: row.size_gib };
    } catch (error) {
      // Lost bytes are never replaced by empty ones: the volume waits until they are back.
      if (error instanceof EngineError && error.kind === 'missing') return { missing: true };
      throw error;
    }
  }

  async function settle(row: VolumeRow, end: VolumeEnd): Promise<Outcome | void> {
    const { id, snapshot_id } = row;
    if (end === 'owed') return;
    if (end === 'missing') {
      await undoResize(row, whyMissing);
      return { again: new Date(clock.now().getTime() + lookAgainMs) };
    }
    if (end === 'there') await endResize(row);
    else
      await store.transaction(async (tx) => {
        await tx.updateTable('volumes').set({ gone_at: clock.now() }).where('id', '=', id).execute();
        await release(tx, volumeUrn(id));
      });
    // A snapshot that was deleted is kept until what is made from it is there.
    if (snapshot_id !== null) await wakeDeletedSnapshot(store.db, snapshot_id, clock.now());
    return end === 'gone' ? { forget: true } : undefined;
  }

  /** The machine in quarantine that has the volume attached: no row of this database says so. */
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
    if (action !== undefined) await end(row, action, { status: 'completed' });
  }

  /** Ends a pending resize as errored: the volume keeps the size that its bytes have. False where none is pending. */
  async function undoResize(row: VolumeRow, message: string): Promise<boolean> {
    const action = await resizeOf(row);
    if (action === undefined) return false;
    // A host that does not answer may have grown it already, or may do it yet: then the new size stays.
    const there = await host.volumes().catch(() => undefined);
    const found = there?.volumes.find(({ id }) => id === row.id);
    await end(row, action, { status: 'errored', message }, { size_gib: found?.sizeGib ?? row.size_gib });
    return true;
  }

  /** Ends the action that is pending of a volume, with what that changes of the volume besides. */
  async function end(
    { id, team_id: teamId, droplet_id }: VolumeRow,
    action: number,
    how: Omit<ActionEnd, 'at'>,
    changes: { size_gib?: number } = {},
  ): Promise<void> {
    await store.transaction(async (tx) => {
      await holdDroplets(tx, { teamId }, [droplet_id]);
      await tx
        .updateTable('volumes')
        .set({ ...changes, pending_action_id: null })
        .where('id', '=', id)
        .where('pending_action_id', '=', action)
        .execute();
      if (changes.size_gib !== undefined)
        await setReservation(tx, volumeUrn(id), takenOfHost(changes.size_gib));
      await endAction(tx, action, { ...how, at: clock.now() });
    });
  }

  return converge<VolumeRow, ObservedVolume, VolumeStep, VolumeEnd>(deps, {
    kind: volumeKind,
    lane: 'quick',
    mostSlow: mostCopies,
    row: (id) =>
      selectVolumes(store.db)
        .where('volumes.id', '=', id)
        .where('volumes.gone_at', 'is', null)
        .executeTakeFirst(),
    observe,
    plan: planVolume,
    take: (step, row, _observed, run) => take(step, row, run),
    settle,
    why: (error, run) => hopeless(error, run, whyNot),
    giveUp: async (row, reason) => !row.deleted_at && undoResize(row, reason),
  });
}
