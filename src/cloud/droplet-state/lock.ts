/** One action at a time: whoever wants to change a droplet locks its row, and finds nothing pending. */
import type { Selectable } from 'kysely';
import type { Caller } from '../../base/caller.ts';
import type { Change } from '../../control/command.ts';
import { wake } from '../../control/reconcile.ts';
import { notFound, unprocessable } from '../../http/errors.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable, Tx } from '../../store/store.ts';

/** The kind under which the control loop knows droplets. */
export const dropletKind = 'droplet';

export const dropletUrn = (id: number | string): string => `do:droplet:${id}`;

export type LockedDroplet = Selectable<Droplets>;

/** Marks a droplet for the loop to look at. */
export const wakeDroplet = (db: Queryable, id: number, at: Date): Promise<void> =>
  wake(db, dropletKind, String(id), at);

/** What a command changes of a droplet by changing what that shows, or by acting on it: the loop looks at it. */
export const dropletChanged = (id: number): Change => ({
  urn: dropletUrn(id),
  change: 'changed',
  besides: true,
  wake: [dropletKind, String(id)],
});

/**
 * What a command changes of the droplet that an image was taken of, by changing which snapshots and backups that lists.
 * To be asked after the change, by which the droplet is locked. Nothing of a droplet that is gone, or of none.
 */
export async function imagesOfDropletChanged(tx: Tx, id: number | null): Promise<Change[]> {
  if (id === null) return [];
  const droplet = await tx
    .selectFrom('droplets')
    .select('id')
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return droplet ? [{ urn: dropletUrn(id), change: 'changed', besides: true }] : [];
}

/** The team's droplets, each locked until the transaction ends: two requests about one wait for each other. */
export const lockable = (tx: Tx, caller: Caller) =>
  tx
    .selectFrom('droplets')
    .selectAll()
    .where('team_id', '=', caller.teamId)
    .where('deleted_at', 'is', null)
    .forUpdate();

/** A droplet of the caller's, locked until the transaction ends. @throws ApiError 404 */
export async function lockDroplet(tx: Tx, caller: Caller, id: number): Promise<LockedDroplet> {
  const droplet = await lockable(tx, caller).where('id', '=', id).executeTakeFirst();
  if (!droplet) throw notFound();
  return droplet;
}

/**
 * Locks droplets that are about to change because something that they show changes: an address, a volume. To be called
 * before the rows of these are locked, since whoever destroys a droplet locks it first and then what it has.
 * @param ids those of a team; null and what is no droplet of the team's is left out
 */
export async function holdDroplets(
  tx: Tx,
  { teamId }: Pick<Caller, 'teamId'>,
  ids: readonly (number | null)[],
): Promise<void> {
  const droplets = ids.filter((id) => id !== null);
  if (droplets.length === 0) return;
  await tx
    .selectFrom('droplets')
    .select('id')
    .where(anyOf('id', droplets))
    .where('team_id', '=', teamId)
    .orderBy('id')
    .forUpdate()
    .execute();
}

/** @throws ApiError 422 in the words that terraform waits on */
export function checkNothingPending(droplet: Pick<LockedDroplet, 'pending_action_id'>): void {
  if (droplet.pending_action_id !== null) throw unprocessable('Droplet already has a pending event.');
}

/**
 * Makes an action the pending one of a locked droplet; the caller wakes the loop. The action may be about another
 * resource (a volume's attach) that changes the droplet.
 * @throws ApiError 422 where one is pending
 */
export async function beginOnDroplet(
  tx: Tx,
  droplet: Pick<LockedDroplet, 'id' | 'pending_action_id'>,
  actionId: number,
): Promise<void> {
  checkNothingPending(droplet);
  await tx
    .updateTable('droplets')
    .set({ pending_action_id: actionId })
    .where('id', '=', droplet.id)
    .execute();
}
