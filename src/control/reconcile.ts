/**
 * Wishes in the reconcile table: which resources are dirty. A resource is dirty while done < wanted. Many wakes of one
 * resource collapse into one run; a wake during a run means one more run. Who works on them: claims.ts.
 */
import { sql } from 'kysely';
import type { Queryable } from '../store/store.ts';
import type { Queries } from './claims.ts';

/**
 * Marks a resource dirty, due at `at`, in the caller's transaction. Any backoff is forgotten: what is wanted has
 * changed. The loop that listens to the store (`ControlLoop.poll`) hears of the commit.
 */
export async function wake(tx: Queryable, kind: string, id: string, at: Date): Promise<void> {
  await sql`select wake(${kind}, ${id}, ${at})`.execute(tx);
}

/** Has all that waits for something looked at again at once, by how the texts of their waits begin. */
export async function wakeWaiting(tx: Queryable, waitingFor: string, at: Date): Promise<void> {
  await sql`update reconcile set due = ${at}, waits = 0
    where done < wanted and owner is null and due > ${at}
      and starts_with(waiting_for, ${`busy: ${waitingFor}`})`.execute(tx);
}

/**
 * Marks a resource dirty because something was seen of it. Unlike `wake` it forgets no backoff: a run that fails is seen
 * too, by what it did before it failed, and would be tried again for ever without a pause.
 */
export async function nudge(client: Queries, kind: string, id: string, at: Date): Promise<void> {
  await client.query({
    name: 'reconcile-nudge',
    text: `insert into reconcile as r (kind, id, due, woken_at) values ($1, $2, $3, $3)
      on conflict on constraint reconcile_pkey do update set wanted = r.wanted + 1,
        due = case when r.attempts = 0 and r.waits = 0 then least(r.due, excluded.due) else r.due end,
        woken_at = case when r.done < r.wanted then coalesce(r.woken_at, excluded.woken_at) else excluded.woken_at end`,
    values: [kind, id, at],
  });
}

/** The same in the transaction that writes down what was seen. */
export async function nudgeIn(tx: Queryable, kind: string, id: string, at: Date): Promise<void> {
  await sql`insert into reconcile as r (kind, id, due, woken_at) values (${kind}, ${id}, ${at}, ${at})
    on conflict on constraint reconcile_pkey do update set wanted = r.wanted + 1,
      due = case when r.attempts = 0 and r.waits = 0 then least(r.due, excluded.due) else r.due end,
      woken_at = case when r.done < r.wanted then coalesce(r.woken_at, excluded.woken_at) else excluded.woken_at end`.execute(
    tx,
  );
}
