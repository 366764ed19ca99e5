import type { Kysely, Transaction } from 'kysely';
import type pg from 'pg';
import type { DB } from './schema.ts';

/** Something a query can run on: the store's pool or a transaction. */
export type Queryable = Kysely<DB>;
export type Tx = Transaction<DB>;

/** To be thrown in a transaction that has locked what others have changed by then: it is done again from its start. */
export class Overtaken extends Error {
  /** As of a serialization failure. */
  readonly code = '40001';
}

/** The database, as the rest of the code sees it. */
export interface Store {
  /** Queries outside of a transaction. */
  db: Kysely<DB>;
  /**
   * Queries on a connection of its own, outside of the pool: for short work that open transactions wait for. It never
   * waits for a connection that they have, and is committed whatever becomes of them.
   */
  dedicated: Kysely<DB>;
  /** The pool beneath, for the few hot statements that are prepared by name. */
  pool: pg.Pool;
  /** Runs `work` in one transaction: all of it or nothing. Repeats it on a serialization failure or deadlock. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Has `listener` called after each commit of this store that may have written something. */
  onWrite(listener: () => void): void;
  close(): Promise<void>;
}
