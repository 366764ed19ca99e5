/**
 * Which droplet a volume is attached to, and the droplet's action that changes it: what droplets ask of volumes when they
 * are made, changed and deleted. The droplet is locked by whoever calls these, or changed by the same statement.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Change } from '../../control/command.ts';
import { anyOf } from '../../store/any-of.ts';
import { insertEvents } from '../../store/events.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { type VolumeRow, volumeUrn } from './row.ts';

/** Attaches volumes that `volumesFor` has locked to a droplet that is being created. */
export async function placeVolumes(
  tx: Tx,
  volumes: readonly Pick<VolumeRow, 'id'>[],
  dropletId: number,
): Promise<void> {
  if (volumes.length === 0) return;
  await tx
    .updateTable('volumes')
    .set({ droplet_id: dropletId })
    .where(
      anyOf(
        'id',
        volumes.map(({ id }) => id),
      ),
    )
    .execute();
}

/**
 * Ends what a droplet's action, which errs, was doing to volumes: those that are attached to the droplet stay so,
 * whatever was wanted, and the others are attached to none.
 */
export async function leaveVolumes(
  tx: Tx,
  left: { actionId: number; dropletId: number; attached: readonly string[] | 'all'; at: Date },
): Promise<void> {
  const { actionId, dropletId, attached, at } = left;
  const stays = attached === 'all' ? sql<boolean>`true` : sql<boolean>`id = any(${[...attached]}::uuid[])`;
  await sql`
    with left_behind as (
      update volumes set pending_action_id = null, droplet_id = case when ${stays} then ${dropletId}::bigint end
      where pending_action_id = ${actionId} returning id, team_id
    ) ${insertEvents(sql`
      select ${at}::timestamptz, team_id, 'do:volume:' || id, 'changed', ${actionId}::bigint from left_behind`)}`.execute(
    tx,
  );
}

/**
 * SQL, for a statement that does more: the droplet's action is done, and its volumes are attached and detached as it
 * wanted, where `condition` holds. An id of null is no action.
 */
export const settlingVolumes = (
  actionId: number | null,
  condition: RawBuilder<boolean>,
): RawBuilder<unknown> => sql`
  update volumes set pending_action_id = null where pending_action_id = ${actionId} and ${condition}`;

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
