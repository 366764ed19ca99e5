import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate, migrationFiles } from '../../src/store/migrate.ts';
import { type Address, openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';

export interface TestDatabase {
  address: Address;
  store: Store;
  /** Drops the database. */
  drop(): Promise<void>;
}

/** See global-database.ts. */
export const templateDatabase = 'test_template';

/** Runs one statement as the superuser of the PostgreSQL at this socket. */
export function adminOf(host: string): (sql: string) => Promise<void> {
  return async (sql) => {
    const client = new pg.Client({ host, user: 'postgres', database: 'postgres' });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
}

/** A migrated database of its own in the test run's PostgreSQL. */
export const testDatabase = (connections = 10): Promise<TestDatabase> =>
  makeDatabase(`template ${templateDatabase}`, connections);

/** A database as it was before a migration, such as `018_address_owners.sql`: `migrate` brings it on from there. */
export async function databaseBefore(migration: string): Promise<TestDatabase> {
  const database = await makeDatabase('', 2);
  await migrate(database.store.pool, { files: migrationFiles().filter((file) => file < migration) });
  return database;
}

async function makeDatabase(options: string, connections: number): Promise<TestDatabase> {
  const host = inject('postgresSocket');
  const admin = adminOf(host);
  const database = `test_${randomBytes(6).toString('hex')}`;
  await admin(`create database ${database} ${options} owner atoll`);
  const address = { socketDir: host, database, user: 'atoll' };
  const store = openStore(address, { name: 'test', connections });
  return {
    address,
    store,
    async drop() {
      await store.close();
      await admin(`drop database ${database} with (force)`);
    },
  };
}
