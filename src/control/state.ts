/** What the reconcile table says of the moment, kind by kind: for the operator. */
import { sql } from 'kysely';
import type { Queryable } from '../store/store.ts';

export interface KindState {
  kind: string;
  /** To be done now, and nobody is at it. */
  due: number;
  running: number;
  /** Tried again later: its last run had to wait. */
  waiting: number;
  /** Of these, those whose wait is over. */
  overdue: number;
  /** Tried again later: its last run failed. */
  failing: number;
  /** Looked at again at its own time. */
  scheduled: number;
  /** Since when the longest of those that are due, waiting or failing is not done. */
  oldest: Date | null;
  /** What the newest try of something that fails or waits has said. */
  lastError: string | null;
}

export interface LoopState {
  /** Control planes at work. */
  loops: number;
  kinds: KindState[];
}

/** Kinds with nothing to do are left out. */
export async function readState(db: Queryable, now: Date): Promise<LoopState> {
  const [loops, kinds] = await Promise.all([
    sql<{ n: number }>`select count(*) as n from loops`.execute(db),
    sql<KindState>`
      select kind,
        count(*) filter (where owner is null and waits = 0 and attempts = 0 and due <= ${now}) as due,
        count(*) filter (where owner is not null) as running,
        count(*) filter (where owner is null and waits > 0) as waiting,
        count(*) filter (where waits > 0 and waiting_until <= ${now}) as overdue,
        count(*) filter (where owner is null and waits = 0 and attempts > 0) as failing,
        count(*) filter (where owner is null and waits = 0 and attempts = 0 and due > ${now}) as scheduled,
        min(coalesce(woken_at, due)) filter (where owner is null and (due <= ${now} or waits > 0 or attempts > 0))
          as oldest,
        (array_agg(last_error order by due desc) filter (where last_error is not null))[1] as "lastError"
      from reconcile where done < wanted or owner is not null group by kind order by kind`.execute(db),
  ]);
  return { loops: loops.rows[0]?.n ?? 0, kinds: kinds.rows };
}
