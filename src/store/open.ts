import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { preparing, stalePlan } from './prepared.ts';
import type { DB } from './schema.ts';
import type { Store } from './store.ts';

/** Where the database is: a URL, or the directory of its unix socket. */
export type Address = { url: string } | { socketDir: string; database?: string; user?: string };

/** Errors after which the whole transaction is to be repeated: serialization failure, deadlock, a stale plan. */
const repeatable = new Set(['40001', '40P01', stalePlan]);
const attempts = 5;

/** Oids of pg_type. */
const oids = { int8: 20, int8Array: 1016 };

/** An array as PostgreSQL writes it: `{1,2,3}`. */
const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number);

/**
 * int8 as number: every bigint of ours stays below 2^53 (WIRE: ids must, for JavaScript clients).
 * inet and cidr stay text. Timestamps are Dates.
 */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid, format) {
    if (oid.valueOf() === oids.int8) return Number;
    if (oid.valueOf() === oids.int8Array) return numbers;
    return pg.types.getTypeParser(oid, format);
  },
};

/** The options of one connection, also for those that live outside of the pool (listening, locks). */
export function connectionOptions(address: Address, applicationName: string): pg.ClientConfig {
  const target =
    'url' in address
      ? { connectionString: address.url }
      : { host: address.socketDir, database: address.database ?? 'atoll', user: address.user ?? 'atoll' };
  return { ...target, types, application_name: applicationName, statement_timeout: 60_000 };
}

export interface StoreOptions {
  name: string;
  connections?: number;
  /** Asked before each statement; what it throws is the statement's error. */
  before?: () => void | Promise<void>;
}

/** Opens the store. Connections are made on demand, at most `connections`, and for moments one for `dedicated`. */
export function openStore(address: Address, options: StoreOptions): Store {
  const pool = openPool(address, options.name, options.connections ?? 10, 60_000);
  const single = openPool(address, options.name, 1, 5_000);
  const listeners: (() => void)[] = [];
  const written = () => {
    for (const listener of listeners) listener();
  };
  const [db, dedicated] = [pool, single].map(
    (each) =>
      new Kysely<DB>({
        dialect: new PostgresDialect({ pool: preparing(each, { written, before: options.before }) }),
      }),
  ) as [Kysely<DB>, Kysely<DB>];
  return {
    db,
    dedicated,
    pool,
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await db.transaction().execute(work);
        } catch (error) {
          const code = (error as { code?: unknown }).code;
          if (attempt >= attempts || typeof code !== 'string' || !repeatable.has(code)) throw error;
        }
      }
    },
    onWrite(listener) {
      listeners.push(listener);
    },
    async close() {
      await Promise.all([db.destroy(), dedicated.destroy()]);
      // Kysely ends a pool only if it has used it.
      for (const each of [pool, single]) if (!each.ending) await each.end();
    },
  };
}

function openPool(address: Address, name: string, max: number, idleTimeoutMillis: number): pg.Pool {
  const pool = new pg.Pool({
    ...connectionOptions(address, name),
    max,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis,
  });
  // An idle connection that breaks is replaced on the next query; without a listener it would end the process.
  pool.on('error', () => {});
  return pool;
}
