/** What an autoscale pool asks of the droplets that are its members. */
import { beginAction } from '../../control/actions.ts';
import { recordEvent } from '../../store/events.ts';
import type { Tx } from '../../store/store.ts';
import { beginOnDroplet, dropletUrn, type LockedDroplet, wakeDroplet } from '../droplet-state/index.ts';

/**
 * Shuts a locked droplet down in nobody's name: by that the pool knows that it is on its way out.
 * @throws ApiError 422 where something is pending
 */
export async function dismissDroplet(tx: Tx, droplet: LockedDroplet, at: Date): Promise<void> {
  const action = await beginAction(tx, {
    caller: { teamId: droplet.team_id, userId: null, tokenId: null },
    type: 'shutdown',
    resourceType: 'droplet',
    resourceId: String(droplet.id),
    region: droplet.region,
    at,
  });
  await tx
    .updateTable('droplets')
    .set({ power: 'off', stop: 'graceful' })
    .where('id', '=', droplet.id)
    .execute();
  await beginOnDroplet(tx, droplet, action.id);
  const event = { teamId: droplet.team_id, urn: dropletUrn(droplet.id), actionId: action.id };
  await recordEvent(tx, { at, ...event, change: 'changed' });
  await wakeDroplet(tx, droplet.id, at);
}

/** The droplets of a pool that is deleted are on their own from now on. */
export async function leavePool(tx: Tx, poolId: string): Promise<void> {
  await tx
    .updateTable('droplets')
    .set({ autoscale_pool_id: null })
    .where('autoscale_pool_id', '=', poolId)
    .where('deleted_at', 'is', null)
    .execute();
}
