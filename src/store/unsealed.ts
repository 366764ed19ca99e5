/**
 * Secrets of before their column was sealed. A migration is SQL and has no key: it moves plain values into the table
 * `unsealed`, and the owner of the column takes them from there when the control plane next starts, before the first
 * request. In between and afterwards the table is empty.
 */
import { sql } from 'kysely';
import type { Tx } from './store.ts';

/**
 * Takes the plain values of a column; the caller seals them into their rows in the same transaction.
 * @param source as the migration has it: `droplets.new_password`
 */
export async function takeUnsealed(tx: Tx, source: string): Promise<{ rowId: string; plain: string }[]> {
  const { rows } = await sql<{ rowId: string; plain: string }>`
    delete from unsealed where source = ${source} returning row_id as "rowId", plain`.execute(tx);
  return rows;
}
