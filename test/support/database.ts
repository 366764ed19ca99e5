import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { type Address, openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';

export interface TestDatabase {
  address: Address;
  store: Store;
  /** Drops the database. */
  drop(): Promise<void>;
}

/** A migrated database of its own in the test run's PostgreSQL. */
export async function testDatabase(connections = 10): Promise<TestDatabase> {
  const host = inject('postgresSocket');
  const database = `test_${randomBytes(6).toString('hex')}`;
  const admin = async (sql: string) => {
    const client = new pg.Client({ host, user: 'postgres', database: 'postgres' });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await admin(`create database ${database} owner atoll`);
  const address = { socketDir: host, database, user: 'atoll' };
  const store = openStore(address, { name: 'test', connections });
  await migrate(store.pool);
  return {
    address,
    store,
    async drop() {
      await store.close();
      await admin(`drop database ${database} with (force)`);
    },
  };
}
