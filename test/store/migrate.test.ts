/** All migrations or none, whatever is in the way. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MigrationFailed, migrate, NewerDatabase, refuseNewer } from '../../src/store/migrate.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

describe('migrations of which one fails', () => {
  let directory: string;
  let fresh: TestDatabase;
  const migration = (name: string, text: string) => writeFileSync(join(directory, name), text);
  beforeEach(async () => {
    fresh = await testDatabase();
    directory = mkdtempSync(join(tmpdir(), 'migrations-'));
    cpSync(join(import.meta.dirname, '../../src/store/migrations'), directory, { recursive: true });
    migration('997_good.sql', 'create table good (id int primary key)');
    migration(
      '998_bad.sql',
      'alter table good add column n int; alter table loops add constraint none check (owner < 0);',
    );
    await fresh.store.pool.query('insert into loops (owner, lease_until) values (7, now())');
  });
  afterEach(async () => {
    await fresh.drop();
    rmSync(directory, { recursive: true });
  });

  it('leave the database as it was, tell nobody, and run when what is in the way is put right', async () => {
    const { pool } = fresh.store;
    const tables = async () =>
      (await pool.query("select table_name from information_schema.tables where table_name = 'good'")).rows;
    const seen: unknown[] = [];
    const beforeCommit = async () => void seen.push(await tables());
    const failed = await migrate(pool, { directory, beforeCommit }).catch((error: Error) => error);
    expect(failed).toBeInstanceOf(MigrationFailed);
    expect((failed as Error).message).toMatch(
      /^Migration 998_bad.sql failed: .*"none".* is violated by some row.*The database is as it was before\.$/,
    );
    expect(await tables()).toEqual([]);
    expect(await migrate(pool)).toEqual([]);
    expect(seen).toEqual([]);

    await pool.query('delete from loops');
    expect(await migrate(pool, { directory, beforeCommit })).toEqual(['997_good.sql', '998_bad.sql']);
    // Nobody has seen it before they were told.
    expect(seen).toEqual([[]]);
    expect(await tables()).toHaveLength(1);
    await expect(refuseNewer(pool)).rejects.toThrow(NewerDatabase);
  });

  it('are undone where who is told cannot go along', async () => {
    const { pool } = fresh.store;
    rmSync(join(directory, '998_bad.sql'));
    const beforeCommit = () => Promise.reject(new Error('it does not end'));
    await expect(migrate(pool, { directory, beforeCommit })).rejects.toThrow('it does not end');
    await refuseNewer(pool);
    expect(await migrate(pool, { directory })).toEqual(['997_good.sql']);
  });

  it('because of a deadlock are tried again', async () => {
    const { pool } = fresh.store;
    migration('998_bad.sql', 'lock table good; lock table tags in access exclusive mode;');
    rmSync(join(directory, '997_good.sql'));
    await pool.query('create table good (id int primary key)');
    const other = await pool.connect();
    try {
      await other.query('begin; lock table tags in access exclusive mode');
      const migrated = migrate(pool, { directory });
      const waits = "select from pg_locks where relation = 'tags'::regclass and not granted";
      await until(async () => (await pool.query(waits)).rowCount === 1);
      // Who has waited longer looks for deadlocks first, and fails: the migration.
      await other.query('select from good');
      await other.query('commit');
      expect(await migrated).toEqual(['998_bad.sql']);
    } finally {
      other.release();
    }
  });
});
