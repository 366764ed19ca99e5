/** Adding members to a pool and taking them away. Each is one transaction, and done twice does no harm. */
import { randomBytes } from 'node:crypto';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { command } from '../../control/command.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { Store, Tx } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import { lockable } from '../droplet-state/index.ts';
import { createDroplets, destroyOperation, dismissDroplet, removeDroplet } from '../droplets/index.ts';
import { type Member, neverMade, poolMembers } from './members.ts';
import type { Pool } from './pool.ts';
import { memberOrder, namePrefix } from './template.ts';

export interface ScalingDeps {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  context: CloudContext;
}

/** How many droplets one order makes. */
const orderSize = 10;

/** Members are made and destroyed in the name of who made the pool. */
const ownerOf = (pool: Pool): Caller => ({
  teamId: pool.team_id,
  userId: pool.user_id,
  tokenId: pool.token_id,
  scopes: [],
});
const requestId = (pool: Pool): string => `autoscale-${pool.id}`;

/**
 * Orders droplets for the pool until it has so many of its present template. How many are missing is counted under the
 * lock of the pool's row, with each order: whoever else adds members at the same time is counted, too.
 * @throws ApiError where they cannot be had; some may have been ordered
 */
export async function addMembers(
  deps: ScalingDeps,
  pool: Pool,
  { missing, wanted }: { missing: number; wanted: number },
): Promise<void> {
  const room = async (tx: Tx): Promise<number> => {
    const now = await tx
      .selectFrom('autoscale_pools')
      .select('template_after')
      .where('id', '=', pool.id)
      .where('status', '<>', 'deleting')
      .where('deleted_at', 'is', null)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (!now) return 0;
    const fresh = (await poolMembers(tx, pool.id)).filter(
      (member) => !member.leaving && !neverMade(member) && member.id > now.template_after,
    );
    return Math.max(0, wanted - fresh.length);
  };
  for (let left = missing; left > 0; left -= orderSize) {
    const names = Array.from(
      { length: Math.min(left, orderSize) },
      () => `${namePrefix(pool, pool.template)}-${randomBytes(4).toString('hex')}`,
    );
    await createDroplets(deps, {
      caller: ownerOf(pool),
      id: requestId(pool),
      body: memberOrder(pool.template, names),
      autoscalePool: pool.id,
      room,
    });
  }
}

/**
 * Tells a member to shut down, so that what runs on it can end in order; it is `leaving` then, and to be removed
 * when it is off. One that is busy is left alone for now: the end of its action wakes the pool.
 */
export async function dismissMember(deps: ScalingDeps, pool: Pool, member: Member): Promise<void> {
  if (member.status !== 'active') return removeMember(deps, pool, member);
  await deps.store.transaction(async (tx) => {
    const droplet = await lockMember(tx, pool, member);
    if (!droplet || droplet.pending_action_id !== null) return;
    await dismissDroplet(tx, droplet, deps.clock.now());
  });
}

/** Destroys a member, unless it is gone already, or the pool is and has left it. */
export async function removeMember(deps: ScalingDeps, pool: Pool, member: Member): Promise<void> {
  const asked = { caller: ownerOf(pool), id: requestId(pool) };
  await command(deps, asked, destroyOperation, async (removal) => {
    const droplet = await lockMember(removal.tx, pool, member);
    if (droplet) await removeDroplet(removal, droplet);
  });
}

/** Undefined where it is none any more: a pool that is deleted may leave its members. */
const lockMember = (tx: Tx, pool: Pool, { id }: Member) =>
  lockable(tx, ownerOf(pool))
    .where('id', '=', id)
    .where('autoscale_pool_id', '=', pool.id)
    .executeTakeFirst();
