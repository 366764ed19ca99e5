/** Prepared statements for all queries with parameters: PostgreSQL parses and plans each once per connection. */
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import type pg from 'pg';

/** "cached plan must not change result type": somebody has migrated the schema under this connection. */
export const stalePlan = '0A000';

/** So that lists of varying length cannot fill a connection's memory with plans. */
const maxStatements = 300;

/** Whether a statement may write: a `select … for update` passes for one that does. */
const mayWrite = (text: string): boolean => /\b(?:insert|update|delete|wake)\b/i.test(text);

/**
 * The pool for kysely, whose statements get names here by their text. Where a plan has gone stale, the query is
 * done again without (a transaction must be repeated as a whole) and the connection closed after its use.
 * @param written called when a statement or transaction that may have written has ended
 */
export function preparing(pool: pg.Pool, written: () => void): PostgresPool {
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    if (known || names.size >= maxStatements) return known;
    const name = `kysely-${names.size}`;
    names.set(text, name);
    return name;
  };
  const wrap = (client: pg.PoolClient): PostgresPoolClient => {
    let stale = false;
    let wrote = false;
    const query = async (text: string, parameters: readonly unknown[] = []) => {
      wrote ||= mayWrite(text);
      const values = [...parameters];
      const name = values.length > 0 && !stale ? nameOf(text) : undefined;
      if (!name) return await client.query(text, values);
      try {
        return await client.query({ name, text, values });
      } catch (error) {
        if ((error as { code?: unknown }).code !== stalePlan) throw error;
        stale = true;
        return await client.query(text, values).catch(() => {
          throw error;
        });
      }
    };
    return {
      // The other overload is for cursors, which kysely uses only when it is given their constructor.
      query: query as unknown as PostgresPoolClient['query'],
      release: (destroy) => {
        client.release(stale || destroy);
        if (wrote) written();
      },
    };
  };
  return {
    connect: async () => wrap(await pool.connect()),
    end: () => pool.end(),
    options: pool.options,
  };
}
