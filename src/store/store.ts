import type { Kysely, Transaction } from 'kysely';
import type pg from 'pg';
import type { DB } from './schema.ts';

/** Something a query can run on: the store's pool or a transaction. */
export type Queryable = Kysely<DB>;
export type Tx = Transaction<DB>;

/** The database, as the rest of the house sees it. */
export interface Store {
  /** Queries outside of a transaction. */
  db: Kysely<DB>;
  /**
   * One connection beside the pool, for short work that open transactions wait for: it waits for none of theirs, and
   * is done whatever becomes of them.
   */
  aside: Kysely<DB>;
  /** The pool beneath, for the few hot statements that are prepared by name. */
  pool: pg.Pool;
  /** Runs `work` in one transaction: all of it or nothing. Repeats it on a serialization failure or deadlock. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Has `listener` called after each commit of this store that may have written something. */
  onWrite(listener: () => void): void;
  close(): Promise<void>;
}
