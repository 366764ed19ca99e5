/**
 * Prepared statements for queries with parameters: PostgreSQL parses and plans each once per connection. A statement is
 * prepared from its second use on, so that those that come once (a list of another length) cost no memory.
 */
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import type pg from 'pg';

/** "cached plan must not change result type": somebody has migrated the schema under this connection. */
export const stalePlan = '0A000';

/** So many statements are known by their text; of more, those that were not used for longest are forgotten. */
const maxStatements = 2_000;
/** A connection that has prepared so many is replaced: what it holds of forgotten ones goes with it. */
const maxPerConnection = 500;

/** Whether a statement may write: a `select … for update` passes for one that does. */
const mayWrite = (text: string): boolean => /\b(?:insert|update|delete|wake)\b/i.test(text);

/** Names for statements by their text: none at the first use, then always the same until it is forgotten. */
export function statementNames(most = maxStatements): (text: string) => string | undefined {
  // In the order of their last use.
  const names = new Map<string, string | undefined>();
  let given = 0;
  return (text) => {
    const seen = names.has(text);
    const name = names.get(text) ?? (seen ? `kysely-${given++}` : undefined);
    names.delete(text);
    names.set(text, name);
    const [oldest] = names.keys();
    if (names.size > most && oldest !== undefined) names.delete(oldest);
    return name;
  };
}

export interface PreparingOptions {
  /** Called when a statement or transaction that may have written has ended. */
  written(): void;
  /** Asked before each statement but the one that rolls back; what it throws is the statement's error. */
  before?: (() => void | Promise<void>) | undefined;
}

/**
 * The pool for kysely, whose statements get names here by their text. Where a plan has gone stale, the query is
 * done again without (a transaction must be repeated as a whole) and the connection closed after its use.
 */
export function preparing(pool: pg.Pool, { written, before }: PreparingOptions): PostgresPool {
  const nameOf = statementNames();
  const prepared = new WeakMap<pg.PoolClient, Set<string>>();
  const preparedOn = (client: pg.PoolClient): Set<string> => {
    const names = prepared.get(client) ?? new Set();
    prepared.set(client, names);
    return names;
  };
  const wrap = (client: pg.PoolClient): PostgresPoolClient => {
    const names = preparedOn(client);
    let stale = false;
    let wrote = false;
    const query = async (text: string, parameters: readonly unknown[] = []) => {
      if (before && text !== 'rollback') await before();
      wrote ||= mayWrite(text);
      const values = [...parameters];
      const name = values.length > 0 && !stale ? nameOf(text) : undefined;
      if (!name) return await client.query(text, values);
      names.add(name);
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
    // The pool listens only to those that nobody has: without this, a connection that breaks between two statements of
    // a transaction would end the process. The next statement fails, and tells whoever has it.
    let broken = false;
    const onError = () => {
      broken = true;
    };
    client.on('error', onError);
    return {
      // The other overload is for cursors, which kysely uses only when it is given their constructor.
      query: query as unknown as PostgresPoolClient['query'],
      release: (destroy) => {
        if (!broken) client.off('error', onError);
        client.release(broken || stale || names.size > maxPerConnection || destroy);
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
