/** What a pool has decided, and how it went. The newest event says how many members are wanted. */
import type { Queryable } from '../../store/store.ts';
import type { Decision } from './desired.ts';
import type { HistoryEvent } from './pool.ts';

/** The events of a pool, newest first. */
export const selectHistory = (db: Queryable, poolId: string) =>
  db
    .selectFrom('autoscale_history')
    .selectAll()
    .where('pool_id', '=', poolId)
    .orderBy('created_at', 'desc')
    .orderBy('id');

/** The newest event of a pool. */
export const lastEvent = (db: Queryable, poolId: string): Promise<HistoryEvent | undefined> =>
  selectHistory(db, poolId).limit(1).executeTakeFirst();

/**
 * The event for bringing a pool to what was decided: the newest one, where it is about the same number and did not
 * succeed yet, or a new one. So that trying again for hours is one event, and a crash makes no second one.
 */
export async function openEvent(
  db: Queryable,
  {
    poolId,
    last,
    decision,
    members,
    at,
  }: {
    poolId: string;
    last: HistoryEvent | undefined;
    decision: Decision;
    members: number;
    at: Date;
  },
): Promise<HistoryEvent> {
  if (last && last.status !== 'success' && last.desired_instance_count === decision.count) {
    if (last.status === 'in_progress') return last;
    await endEvent(db, last, { status: 'in_progress', at });
    return { ...last, status: 'in_progress' };
  }
  if (last?.status === 'in_progress')
    await endEvent(db, last, { status: 'error', reason: 'Another change came first.', at });
  return db
    .insertInto('autoscale_history')
    .values({
      pool_id: poolId,
      current_instance_count: members,
      desired_instance_count: decision.count,
      reason: decision.reason,
      status: 'in_progress',
      created_at: at,
      updated_at: at,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Writes down how an event went. */
export async function endEvent(
  db: Queryable,
  { id }: HistoryEvent,
  end: { status: 'in_progress' | 'success' | 'error'; reason?: string; at: Date },
): Promise<void> {
  await db
    .updateTable('autoscale_history')
    .set({ status: end.status, error_reason: end.reason ?? '', updated_at: end.at })
    .where('id', '=', id)
    .execute();
}
