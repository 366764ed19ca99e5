/** The row types are what the migrations make, and migrations keep their promises. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { connectionOptions } from '../../src/store/open.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const run = promisify(execFile);

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

/** To renew the file after a migration: the same without `--verify`. */
const codegen = (url: string) => [
  join(process.cwd(), 'node_modules/kysely-codegen/dist/cli/bin.js'),
  '--verify',
  '--dialect=postgres',
  `--url=${url}`,
  '--out-file=src/store/schema.ts',
  '--exclude-pattern=migrations',
  '--type-mapping={"int8":"number","inet":"string","cidr":"string","timestamptz":"Date"}',
];

it('src/store/schema.ts is what kysely-codegen makes of the migrated database', async () => {
  const { rows } = await database.store.pool.query<{ name: string }>('select current_database() as name');
  const url = `postgres://atoll@/${rows[0]?.name}?host=${encodeURIComponent(inject('postgresSocket'))}`;
  await expect(run(process.execPath, codegen(url))).resolves.toBeDefined();
});

describe('migrations', () => {
  it('run once', async () => {
    expect(await migrate(database.store.pool)).toEqual([]);
  });

  it('of several processes at once run once', async () => {
    const fresh = await testDatabase();
    try {
      const { pool } = fresh.store;
      await pool.query('drop schema public cascade; create schema public');
      const ran = await Promise.all([migrate(pool), migrate(pool), migrate(pool)]);
      expect(ran.filter((files) => files.length > 0)).toHaveLength(1);
      expect(ran.flat()).toContain('001_init.sql');
    } finally {
      await fresh.drop();
    }
  });

  it('wait for another process for as long as that takes', async () => {
    const { pool } = database.store;
    // As the control plane's connections, with less patience.
    const impatient = new pg.Pool({ ...connectionOptions(database.address, 'test'), statement_timeout: 200 });
    const other = await pool.connect();
    await other.query('select pg_advisory_lock(x) from (values (1635020652)) as lock (x)');
    try {
      const migrated = migrate(impatient);
      await other.query('select pg_sleep(0.6)');
      await other.query('select pg_advisory_unlock_all()');
      expect(await migrated).toEqual([]);
      await expect(impatient.query('select pg_sleep(5)')).rejects.toThrow('statement timeout');
    } finally {
      other.release();
      await impatient.end();
    }
  });

  it('refuse a database whose past was edited', async () => {
    await changed("update migrations set checksum = 'x' where name = '001_init.sql'", async () => {
      await expect(migrate(database.store.pool)).rejects.toThrow(
        'Migration 001_init.sql was changed after it ran: add a new one.',
      );
    });
  });

  it('refuse a database that is newer', async () => {
    await changed("insert into migrations (name, checksum) values ('999_future.sql', '')", async () => {
      await expect(migrate(database.store.pool)).rejects.toThrow(
        'The database has migration 999_future.sql, which this version lacks: use a newer Atoll.',
      );
    });
  });
});

/** Changes the record of past migrations for the time of `check`. */
async function changed(change: string, check: () => Promise<void>): Promise<void> {
  const { pool } = database.store;
  await pool.query('create table kept as select * from migrations');
  try {
    await pool.query(change);
    await check();
  } finally {
    await pool.query('truncate migrations; insert into migrations select * from kept; drop table kept');
  }
}
