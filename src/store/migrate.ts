import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';

const standardDirectory = join(import.meta.dirname, 'migrations');
/** The advisory lock that lets only one process migrate at a time. */
const lock = 0x61746f6c;

/** The database is of a newer Atoll than this code. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase';
  constructor(migration: string) {
    super(
      `The database has migration ${migration}, which this version lacks: use a newer Atoll. Nothing was changed.`,
    );
  }
}

/** A migration could not be run; the database is as it was before the first of them. */
export class MigrationFailed extends Error {
  override readonly name = 'MigrationFailed';
  constructor(file: string, cause: unknown) {
    const { message, detail } = cause as { message: string; detail?: string };
    super(
      `Migration ${file} failed: ${message}${detail ? ` (${detail})` : ''}. The database is as it was before.`,
      { cause },
    );
  }
}

export interface MigrateOptions {
  /**
   * Called when all has been changed and nobody sees it yet, if anything is: for who must not work with what comes. What it
   * throws undoes all.
   */
  beforeCommit?: () => void | Promise<void>;
  /** Where the numbered files are; absent: those of this code. */
  directory?: string;
  /** Only these of them: to stop before one. */
  files?: readonly string[];
}

/**
 * Errors after which all is tried again: a deadlock with a process that uses the database meanwhile, or a lock that it
 * holds. Others queue behind a lock that is waited for, so that is not waited for long.
 */
const repeatable = new Set(['40P01', '55P03']);
const attempts = 10;
const lockTimeout = '5s';

/**
 * Brings the database to the newest schema by the numbered files, all in one transaction, and answers the names of those it
 * ran. Refuses a database whose past migrations differ from the files (somebody edited one).
 * @throws NewerDatabase, MigrationFailed
 */
export async function migrate(pool: pg.Pool, options: MigrateOptions = {}): Promise<string[]> {
  const client = await pool.connect();
  try {
    // A long index build takes what it takes, and so does the wait for another process that is at it.
    await client.query('set statement_timeout = 0');
    await client.query('select pg_advisory_lock($1)', [lock]);
    for (let attempt = 1; ; attempt++) {
      try {
        return await migrateOnce(client, options);
      } catch (error) {
        await client.query('rollback').catch(() => {});
        const { code } = ((error as Error).cause ?? error) as { code?: string };
        if (attempt >= attempts || !repeatable.has(code ?? '')) throw error;
      }
    }
  } finally {
    await client.query('select pg_advisory_unlock($1)', [lock]).catch(() => {});
    await client.query('reset statement_timeout').catch(() => {});
    client.release();
  }
}

/** @throws NewerDatabase where the database is newer than this code; changes nothing */
export async function refuseNewer(pool: pg.Pool, directory = standardDirectory): Promise<void> {
  const { rows } = await pool.query<{ there: boolean }>(
    "select to_regclass('migrations') is not null as there",
  );
  if (!rows[0]?.there) return;
  const past = await pool.query<{ name: string }>('select name from migrations order by name');
  checkKnown(past.rows, migrationFiles(directory));
}

/** The names of the numbered files, in their order. */
export const migrationFiles = (directory = standardDirectory): string[] =>
  readdirSync(directory)
    .filter((file) => /^\d{3}_.*\.sql$/.test(file))
    .sort();

function checkKnown(past: { name: string }[], files: readonly string[]): void {
  const unknown = past.find(({ name }) => !files.includes(name));
  if (unknown) throw new NewerDatabase(unknown.name);
}

async function migrateOnce(
  client: pg.PoolClient,
  { beforeCommit, directory = standardDirectory, files = migrationFiles(directory) }: MigrateOptions,
): Promise<string[]> {
  await client.query('begin');
  await client.query(`set local lock_timeout = '${lockTimeout}'`);
  await client.query(
    'create table if not exists migrations (name text primary key, checksum text not null, at timestamptz not null default now())',
  );
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from migrations order by name',
  );
  checkKnown(rows, files);
  const ran: string[] = [];
  for (const file of files) {
    const sql = readFileSync(join(directory, file), 'utf8');
    const checksum = createHash('sha256').update(sql).digest('hex');
    const past = rows.find((row) => row.name === file);
    if (past) {
      if (past.checksum !== checksum)
        throw new Error(`Migration ${file} was changed after it ran: add a new one.`);
      continue;
    }
    try {
      await client.query(sql);
      // Here, and not at the end: the next file may change tables for which checks are still to be made.
      await client.query('set constraints all immediate');
      await client.query('insert into migrations (name, checksum) values ($1, $2)', [file, checksum]);
    } catch (error) {
      throw new MigrationFailed(file, error);
    }
    ran.push(file);
  }
  if (ran.length > 0) await beforeCommit?.();
  await client.query('commit');
  return ran;
}
