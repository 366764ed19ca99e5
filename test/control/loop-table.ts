/** A kind of its own in the reconcile table, for tests of loops: what they do to it, and the sessions that they have. */
import { wake } from '../../src/control/reconcile.ts';
import type { TestDatabase } from '../support/database.ts';

export function loopTable(database: () => TestDatabase) {
  const query = async <Row extends object>(text: string, values: unknown[] = []) =>
    (await database().store.pool.query<Row>(text, values)).rows;
  const row = async (id: string) =>
    (await query<Record<string, unknown>>('select * from reconcile where id = $1', [id]))[0];
  return {
    query,
    row,
    wakeThing: (id: string) => wake(database().store.db, 'thing', id, new Date()),
    async isClean(id: string) {
      const found = await row(id);
      return found !== undefined && found.done === found.wanted && found.owner === null;
    },
    /** The backends of loops' sessions. */
    sessions: async () =>
      (
        await query<{ pid: number }>(
          "select pid from pg_stat_activity where datname = current_database() and application_name = 'atoll-loop'",
        )
      ).map(({ pid }) => pid),
    terminate: (pid: number) => query('select pg_terminate_backend($1)', [pid]),
  };
}
