/** Brings a pool to the number of members that it should have. */
import { type ConvergeDeps, converge } from '../../control/converge.ts';
import type { Outcome, Reconciler } from '../../control/loop.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { ApiError } from '../../http/errors.ts';
import { type EventChange, recordEvent } from '../../store/events.ts';
import type { Tx } from '../../store/store.ts';
import { endEvent, lastEvent, openEvent } from './history.ts';
import { poolMembers } from './members.ts';
import { type ObservedPool, type PoolEnd, type PoolRow, type PoolStep, planPool } from './plan.ts';
import { autoscaleKind, type Pool, poolUrn, selectPools } from './pool.ts';
import { addMembers, dismissMember, removeMember, type ScalingDeps } from './scaling.ts';
import { sampleUsage } from './usage.ts';

export interface AutoscaleReconcilerOptions extends ScalingDeps, ConvergeDeps {
  compute: Pick<Compute, 'usage'>;
}

/** The reconciler of kind `autoscale`; the id is the pool's. The database wakes it when a member changes. */
export function autoscaleReconciler(deps: AutoscaleReconcilerOptions): Reconciler {
  const { store, clock, compute } = deps;

  async function row(id: string): Promise<PoolRow | undefined> {
    const pool = await selectPools(store.db).where('id', '=', id).executeTakeFirst();
    return pool && { pool, all: await poolMembers(store.db, id), last: await lastEvent(store.db, id) };
  }

  async function take(
    step: PoolStep,
    { pool, last }: PoolRow,
    observed: ObservedPool,
  ): Promise<Partial<ObservedPool> | void> {
    switch (step.do) {
      case 'sample': {
        const usage = await sampleUsage(compute, step.members, pool.usage, clock.now().getTime());
        await change(pool, { usage: JSON.stringify(usage) });
        return { sampled: step.members.length };
      }
      case 'remove':
        return removeMember(deps, pool, step.member);
      case 'decide': {
        const { decision, members } = step;
        await openEvent(store.db, { poolId: pool.id, last, decision, members, at: clock.now() });
        return;
      }
      case 'succeed':
        if (step.event.status !== 'success')
          await endEvent(store.db, step.event, { status: 'success', at: clock.now() });
        return setStatus(pool, 'active');
      case 'fail':
        return fail(pool, step.reason);
      case 'start-cooldown':
        return change(pool, { last_scaled_at: clock.now() });
      case 'add':
        return addMembers(deps, pool, step);
      case 'dismiss':
        await dismissMember(deps, pool, step.member);
        return { dismissed: [...observed.dismissed, step.member.id] };
    }
  }

  /** Ends the pool's newest event, and shows the pool, as errored. It tries again after a while. */
  async function fail(pool: Pool, reason: string): Promise<void> {
    deps.log.warn({ pool: pool.id, reason }, 'an autoscale pool cannot reach its size, will try again');
    const event = await lastEvent(store.db, pool.id);
    if (event) await endEvent(store.db, event, { status: 'error', reason, at: clock.now() });
    await setStatus(pool, 'error');
  }

  async function settle({ pool }: PoolRow, end: PoolEnd): Promise<Outcome> {
    if (end !== 'gone') return { again: end.at };
    if (!pool.deleted_at)
      await store.transaction(async (tx) => {
        await tx
          .updateTable('autoscale_pools')
          .set({ deleted_at: clock.now() })
          .where('id', '=', pool.id)
          .execute();
        await tell(tx, pool, 'deleted');
      });
    return { forget: true };
  }

  /** Sets the status that the API shows, unless the pool is being deleted. */
  async function setStatus(pool: Pool, status: 'active' | 'error'): Promise<void> {
    await store.transaction(async (tx) => {
      const changed = await tx
        .updateTable('autoscale_pools')
        .set({ status })
        .where('id', '=', pool.id)
        .where('status', 'not in', ['deleting', status])
        .returning('id')
        .executeTakeFirst();
      if (changed) await tell(tx, pool, 'changed');
    });
  }

  const tell = (tx: Tx, pool: Pool, change: EventChange) =>
    recordEvent(tx, { at: clock.now(), teamId: pool.team_id, urn: poolUrn(pool.id), change });

  async function change(pool: Pool, columns: { usage: string } | { last_scaled_at: Date }): Promise<void> {
    await store.db.updateTable('autoscale_pools').set(columns).where('id', '=', pool.id).execute();
  }

  return converge<PoolRow, ObservedPool, PoolStep, PoolEnd>(deps, {
    kind: autoscaleKind,
    lane: 'quick',
    row,
    observe: async () => ({ dismissed: [] }),
    plan: planPool,
    take,
    settle,
    /** Members that cannot be ordered, as where the droplet limit is reached. */
    why: (error) => (error instanceof ApiError ? error.message : undefined),
    async giveUp({ pool }, reason) {
      await fail(pool, reason);
      return true;
    },
  });
}
