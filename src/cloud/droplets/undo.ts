/** Where an action errs, what it had changed of the droplet's desired state is put back. */
import { endAction } from '../../control/actions.ts';
import { recordEvent } from '../../store/events.ts';
import { storableText } from '../../store/storable.ts';
import type { Tx } from '../../store/store.ts';
import { dropletUrn } from '../droplet-state/index.ts';
import { setReservation } from '../hosts/index.ts';
import { abandonSnapshots } from '../images/index.ts';
import { leaveVolumes } from '../volumes/index.ts';
import type { Observed } from './plan.ts';
import { type DropletRow, takenOfHost } from './row.ts';

/** The columns that an action can change and that are put back as they were. */
export const undoColumns = [
  'size',
  'disk_gib',
  'image_id',
  'root',
  'features',
  'public_ipv6',
  'root_password_hash',
] as const;
export type Undo = Partial<Pick<DropletRow, (typeof undoColumns)[number]>>;

/**
 * What can be put back: a disk that was replaced before the action erred is no more. Where nobody knows whether it was,
 * its number stays taken: no other disk may have it.
 */
function undoable({ undo, root, disk_gib }: DropletRow, observed: Observed | undefined): Undo {
  const { root: before, image_id, root_password_hash, ...others } = (undo ?? {}) as Undo;
  // A disk that has grown stays as large: what is kept of it needs that room.
  if (others.disk_gib !== undefined && disk_gib !== null && observed?.instance?.size.diskGib === disk_gib)
    others.disk_gib = disk_gib;
  if (before === undefined || !observed || observed.instance?.root === root) return others;
  return {
    ...others,
    root: before,
    ...(image_id !== undefined && { image_id }),
    ...(root_password_hash !== undefined && { root_password_hash }),
  };
}

/** Status and power after a failed action: as the machine was observed, and off where there is none. */
function found(
  { root_done }: DropletRow,
  observed: Observed | undefined,
): Partial<Pick<DropletRow, 'status' | 'power'>> {
  if (!observed || observed.instance?.state === 'transitional') return {};
  const { instance } = observed;
  const runs = root_done > 0 && instance?.state === 'running';
  return runs ? { status: 'active', power: 'on' } : { status: 'off', power: 'off' };
}

/**
 * Ends the pending action of a droplet as errored, in the caller's transaction, with all that it had begun.
 * False where another action is pending by now, or none.
 * @param observed undefined where the engine does not answer: a volume may be attached then that was to be, and one may
 *   still be that was to be detached, so that each stays with the droplet
 */
export async function undoAction(
  tx: Tx,
  row: DropletRow,
  observed: Observed | undefined,
  { message, at, console = null }: { message: string; at: Date; console?: string | null },
): Promise<boolean> {
  if (row.pending_action_id === null) return false;
  const undo = undoable(row, observed);
  // The first boot of a new disk that stays sets a password: it is mailed when that boots.
  const newDisk = row.root_done > 0 && observed?.instance?.root === row.root && row.root_done < row.root;
  const new_password = newDisk && row.root_password_hash !== null ? row.new_password : null;
  const changed = await tx
    .updateTable('droplets')
    .set({
      ...undo,
      ...found(row, observed),
      pending_action_id: null,
      undo: null,
      new_password,
      // A machine prints what it likes.
      console: console === null ? null : storableText(console),
    })
    .where('id', '=', row.id)
    .where('pending_action_id', '=', row.pending_action_id)
    .returning('id')
    .executeTakeFirst();
  if (!changed) return false;
  if (undo.size !== undefined) await setReservation(tx, dropletUrn(row.id), takenOfHost({ ...row, ...undo }));
  const ended = await endAction(tx, row.pending_action_id, { status: 'errored', at, message });
  // The action of a volume has changed the droplet, too.
  if (ended?.resource_type !== 'droplet') {
    const { team_id: teamId, id, pending_action_id: actionId } = row;
    await recordEvent(tx, { at, teamId, urn: dropletUrn(id), change: 'changed', actionId });
  }
  await abandonSnapshots(tx, row.id, { error: message, at });
  // Volumes stay attached that were found attached to the machine; the others are detached. Of a droplet that was never
  // made all stay: there may be a machine made by half that has them, until it is deleted (`freeVolumes`).
  const attached = observed?.instance?.volumes ?? [];
  await leaveVolumes(tx, {
    actionId: row.pending_action_id,
    dropletId: row.id,
    attached: !observed || row.root_done === 0 ? 'all' : attached,
    at,
  });
  return true;
}
