/** Letting much time pass in little, on a driven clock. */
import type { DrivenClock } from '../../src/base/clock.ts';
import type { TestAtoll } from './atoll.ts';
import { until } from './until.ts';

export const minutes = (n: number): number => n * 60_000;
export const hours = (n: number): number => minutes(60 * n);
export const days = (n: number): number => hours(24 * n);

/** For `startAtoll`: the loop's own timers must not be what all the time goes to. */
export const seldom = { resyncMs: hours(1), sweepMs: hours(1) };

type Database = Pick<TestAtoll['database'], 'store'>;

/** Waits until nothing is left to do at this moment. */
export async function idle({ store }: Database, clock: DrivenClock, deadlineMs?: number): Promise<void> {
  await until(
    async () => {
      const { rows } = await store.pool.query(
        `select from reconcile where owner is not null
         union all select from reconcile where done < wanted and owner is null and due <= $1 limit 1`,
        [clock.now()],
      );
      // The loop may be about to ask to be called in a moment, for something that fell due just now.
      if (rows.length > 0) await clock.advance(1);
      return rows.length === 0;
    },
    deadlineMs,
    'nothing is due',
  );
}

/** Lets `ms` pass, stopping wherever something falls due until it is done. */
export async function pass(
  database: Database,
  clock: DrivenClock,
  ms: number,
  deadlineMs?: number,
): Promise<void> {
  const end = clock.now().getTime() + ms;
  for (;;) {
    await idle(database, clock, deadlineMs);
    const { rows } = await database.store.pool.query<{ due: Date | null }>(
      'select min(due) as due from reconcile where done < wanted and owner is null',
    );
    const due = rows[0]?.due?.getTime() ?? Infinity;
    const now = clock.now().getTime();
    await clock.advance(Math.max(0, Math.min(due, end) - now));
    if (due > end) return idle(database, clock, deadlineMs);
  }
}
