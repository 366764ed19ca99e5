/** Brings a pool to the number of members that it should have. */
import type { Outcome, Reconciler } from '../../control/loop.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { ApiError } from '../../http/errors.ts';
import type { Log } from '../../log.ts';
import { cooldownMs } from './config.ts';
import { type Decision, decide } from './desired.ts';
import { endEvent, lastEvent, openEvent } from './history.ts';
import { isProvisioning, type Member, neverMade, poolMembers } from './members.ts';
import { autoscaleKind, type HistoryEvent, type Pool, selectPools } from './pool.ts';
import { addMembers, dismissMember, removeMember, type ScalingDeps } from './scaling.ts';
import { averageOf, sampleMs, sampleUsage } from './usage.ts';

export interface AutoscaleReconcilerOptions extends ScalingDeps {
  log: Log;
  compute: Pick<Compute, 'usage'>;
}

/** How long to wait after members could not be made, ms. */
const retryMs = 60_000;

/** All that is known of a pool in one run. */
interface Known {
  /** With its newest sample of load. */
  pool: Pool;
  /** That sample was taken in this run. */
  sampled: boolean;
  /** Those that count: neither leaving nor failed. */
  members: Member[];
  leaving: Member[];
  /** Those whose machine could not be made. */
  failed: Member[];
  /** What was decided last, and how it went. */
  last: HistoryEvent | undefined;
}

/** The reconciler of kind `autoscale`; the id is the pool's. The database wakes it when a member changes. */
export function autoscaleReconciler(options: AutoscaleReconcilerOptions): Reconciler {
  const { store, clock, log } = options;

  async function reconcile(id: string): Promise<Outcome> {
    const pool = await selectPools(store.db).where('id', '=', id).executeTakeFirst();
    if (!pool) return { forget: true };
    const all = await poolMembers(store.db, id);
    if (pool.deleted_at || pool.status === 'deleting') return clear(pool, all);
    const known = await know(pool, all);
    await sweepOut(known);
    return scale(known);
  }

  async function know(pool: Pool, all: Member[]): Promise<Known> {
    const members = all.filter((member) => !member.leaving && !neverMade(member));
    return {
      ...(await withSample(pool, members)),
      members,
      leaving: all.filter((member) => member.leaving),
      failed: all.filter((member) => !member.leaving && neverMade(member)),
      last: await lastEvent(store.db, pool.id),
    };
  }

  /** Removes what is not to stay. What is leaving is waited for until its shutdown has ended, well or not. */
  async function sweepOut({ pool, leaving, failed }: Known): Promise<void> {
    for (const member of leaving)
      if (member.pending_action_id === null) await removeMember(options, pool, member);
    for (const member of failed) await removeMember(options, pool, member);
  }

  /** One step towards what is wanted; the members' changes wake the pool for the next. */
  async function scale(known: Known): Promise<Outcome> {
    const { pool, members, failed, last } = known;
    const again = new Date((pool.usage?.at ?? 0) + sampleMs);
    const decision = decisionFor(known);
    const changed = decision.count !== last?.desired_instance_count;
    // Members of an older template do not count as there, but stay until the new ones have taken over.
    const fresh = members.filter((member) => member.id > pool.template_after);
    const missing = decision.count - fresh.length;
    const surplus = members.length - decision.count;

    if (failed.length > 0) {
      const event = await open(known, decision);
      return giveUp(pool, event, `${failed.length} of the Droplets could not be created.`);
    }
    if (missing <= 0 && surplus <= 0) {
      if (changed) await open(known, decision);
      else if (last && isSettled(known)) await succeed(pool, last);
      return changed ? { again: clock.now() } : { again };
    }
    if (missing > 0 && !changed && last?.status === 'error') {
      const restsUntil = last.updated_at.getTime() + retryMs;
      // A change by the user does not wait.
      if (last.updated_at >= pool.updated_at && clock.now().getTime() < restsUntil)
        return { again: new Date(restsUntil) };
    }
    const lost = !changed && missing > 0 && fresh.length === members.length;
    const event = await open(known, lost ? { ...decision, reason: 'SCALE_UP' } : decision);
    if (changed || missing > 0) await startCooldown(pool);
    if (missing > 0) {
      try {
        await addMembers(options, pool, { missing, wanted: decision.count });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        return giveUp(pool, event, error.message);
      }
    } else if (fresh.length === members.length || (isCool(pool) && fresh.every(isActive))) {
      for (const member of outgoing(members).slice(0, surplus)) await dismissMember(options, pool, member);
    }
    return { again };
  }

  /** The load counts where it is new, all members bear it, and the last change has had time to show. */
  function decisionFor({ pool, sampled, members, last }: Known): Decision {
    const telling = sampled && isCool(pool) && members.length > 0 && members.every(isActive);
    return decide(pool.config, {
      last: last?.desired_instance_count,
      members: members.length,
      load: telling ? averageOf(pool.usage) : undefined,
    });
  }

  const isCool = (pool: Pool): boolean =>
    (pool.last_scaled_at?.getTime() ?? 0) + cooldownMs(pool.config) <= clock.now().getTime();

  /** A new sample of the members' load where the last is old enough. */
  async function withSample(pool: Pool, members: Member[]): Promise<{ pool: Pool; sampled: boolean }> {
    const now = clock.now().getTime();
    if (pool.usage && now < pool.usage.at + sampleMs) return { pool, sampled: false };
    const usage = await sampleUsage(options.compute, members.filter(isActive), pool.usage, now);
    await change(pool, { usage: JSON.stringify(usage) });
    return { pool: { ...pool, usage }, sampled: true };
  }

  /**
   * Deletes the members of a pool that is to go with them, and then the pool. One that is gone already has kept its
   * droplets, and what still calls itself a member was made while it went.
   */
  async function clear(pool: Pool, all: Member[]): Promise<Outcome> {
    for (const member of all) await removeMember(options, pool, member);
    if (!pool.deleted_at) await change(pool, { deleted_at: clock.now() });
    return { forget: true };
  }

  const open = ({ pool, members, last }: Known, decision: Decision): Promise<HistoryEvent> =>
    openEvent(store.db, { poolId: pool.id, last, decision, members: members.length, at: clock.now() });

  async function succeed(pool: Pool, event: HistoryEvent): Promise<void> {
    if (event.status !== 'success') await endEvent(store.db, event, { status: 'success', at: clock.now() });
    if (pool.status === 'error') await setStatus(pool, 'active');
  }

  async function giveUp(pool: Pool, event: HistoryEvent, reason: string): Promise<Outcome> {
    log.warn({ pool: pool.id, reason }, 'an autoscale pool cannot reach its size, will try again');
    const at = clock.now();
    await endEvent(store.db, event, { status: 'error', reason, at });
    await setStatus(pool, 'error');
    return { again: new Date(at.getTime() + retryMs) };
  }

  /** Unless it is being deleted. */
  async function setStatus(pool: Pool, status: 'active' | 'error'): Promise<void> {
    await store.db
      .updateTable('autoscale_pools')
      .set({ status })
      .where('id', '=', pool.id)
      .where('status', '<>', 'deleting')
      .execute();
  }

  const startCooldown = (pool: Pool) => change(pool, { last_scaled_at: clock.now() });

  async function change(
    pool: Pool,
    columns: { usage: string } | { last_scaled_at: Date } | { deleted_at: Date },
  ): Promise<void> {
    await store.db.updateTable('autoscale_pools').set(columns).where('id', '=', pool.id).execute();
  }

  return { kind: autoscaleKind, lane: 'quick', reconcile };
}

const isActive = ({ status }: Member): boolean => status === 'active';

const isSettled = ({ members, leaving }: Known): boolean =>
  leaving.length === 0 && !members.some(isProvisioning);

/** In the order in which they go: first what does not run, then the oldest. */
const outgoing = (members: Member[]): Member[] =>
  members.toSorted((a, b) => Number(isActive(a)) - Number(isActive(b)) || a.id - b.id);
