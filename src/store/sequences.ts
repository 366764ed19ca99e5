import { sql } from 'kysely';
import type { Queryable, Tx } from './store.ts';

/** The sequences whose numbers are kept outside of the database, too. */
export type Sequence =
  | 'droplets_id_seq'
  | 'machines_id_seq'
  | 'images_id_seq'
  | 'public_image_ids'
  | 'droplet_versions';

/** Makes a sequence go on above `last` where it is not there yet. Answers whether it had to. */
export async function moveSequence(db: Queryable, sequence: Sequence, last: number): Promise<boolean> {
  // The lock: of two processes that start at once, the later one must not move it back.
  const { rows } = await sql<{ moved: number }>`
    with alone as materialized (select pg_advisory_xact_lock(hashtext(${sequence})))
    select setval(${sequence}, ${last}) as moved from ${sql.table(sequence)}, alone
    where last_value < ${last} or (last_value = ${last} and not is_called)`.execute(db);
  return rows.length > 0;
}

/**
 * The same with what follows in the transaction: the sequence is moved only if that is committed, and nobody else is
 * given a number of it before. `setval` holds at once, whatever becomes of its transaction.
 */
export async function restartSequence(tx: Tx, sequence: Sequence, last: number): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(hashtext(${sequence}))`.execute(tx);
  const { rows } = await sql`select from ${sql.table(sequence)}
    where last_value < ${last} or (last_value = ${last} and not is_called)`.execute(tx);
  if (rows.length === 0) return false;
  await sql`alter sequence ${sql.table(sequence)} restart with ${sql.lit(last + 1)}`.execute(tx);
  return true;
}
