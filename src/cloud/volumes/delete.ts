/** Deleting volumes, and what deleting a droplet does to its volumes. */
import { sql } from 'kysely';
import { type Asked, type Change, command } from '../../control/command.ts';
import { conflict, notFound } from '../../http/errors.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { untagResource } from '../tags/index.ts';
import type { VolumesDeps } from './context.ts';
import { lockVolume, type VolumeReference, volumeUrn } from './row.ts';
import { volumeKind } from './wanted.ts';

/** Deletes a volume: invisible at once; the loop deletes the bytes. @throws ApiError 404, 409 while it is attached */
export function deleteVolume(
  deps: VolumesDeps,
  request: Asked & { operation: string },
  reference: VolumeReference,
): Promise<void> {
  return command(deps, request, request.operation, async ({ tx, at, changed }) => {
    const volume = await lockVolume(tx, request.caller, reference);
    if (!volume) throw notFound();
    if (volume.attached)
      throw conflict(
        "A volume that's attached to a Droplet cannot be deleted. Please detach it first before deleting.",
      );
    if (volume.pending_action_id !== null)
      throw conflict('The volume has a pending event. Please wait for its action to end before deleting.');
    await untagResource(tx, 'volume', volume.id);
    await tx.updateTable('volumes').set({ deleted_at: at }).where('id', '=', volume.id).execute();
    changed({ urn: volumeUrn(volume.id), change: 'deleted', wake: [volumeKind, volume.id] });
  });
}

/**
 * Ends what the pending action of a droplet was doing to volumes, for the transaction in which the droplet is deleted.
 *
 * The volumes show as detached at once. A machine may have them still, also one that was made by half: their rows keep
 * the droplet until that machine is gone, so that no other can have them before: see `held` in row.ts, and `freeVolumes`.
 * Answers what changes by that.
 */
export async function releaseVolumes(tx: Tx, dropletId: number): Promise<Change[]> {
  const { rows } = await sql<{ id: string }>`
    update volumes v set
      droplet_id = d.id,
      pending_action_id = case when v.pending_action_id = d.pending_action_id then null else v.pending_action_id end
    from droplets d
    where d.id = ${dropletId} and v.deleted_at is null
      and (v.droplet_id = d.id or v.pending_action_id = d.pending_action_id)
    returning v.id`.execute(tx);
  return rows.map(({ id }) => ({ urn: volumeUrn(id), change: 'changed', besides: true }));
}

/** Frees the volumes of a droplet that was never made, once nothing of its machine is left. */
export async function freeVolumes(db: Queryable, dropletId: number): Promise<void> {
  await sql`
    update volumes v set droplet_id = null from droplets d
    where d.id = ${dropletId} and v.droplet_id = d.id and v.pending_action_id is null
      and d.root_done = 0 and d.pending_action_id is null`.execute(db);
}
