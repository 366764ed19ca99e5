import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';

const directory = join(import.meta.dirname, 'migrations');
/** The advisory lock that lets only one process migrate at a time. */
const lock = 0x61746f6c;

/** The names of all migrations, in their order. */
export const migrationFiles = (): string[] =>
  readdirSync(directory)
    .filter((file) => /^\d{3}_.*\.sql$/.test(file))
    .sort();

/**
 * Brings the database to the newest schema, or to that after `files`, each numbered file in a transaction of its own,
 * and answers the names of those it ran. Refuses a database whose past migrations differ from the files (somebody
 * edited one) or that is newer than this code.
 */
export async function migrate(pool: pg.Pool, files = migrationFiles()): Promise<string[]> {
  const client = await pool.connect();
  try {
    // A long index build takes what it takes, and so does the wait for another process that is at it.
    await client.query('set statement_timeout = 0');
    await client.query('select pg_advisory_lock($1)', [lock]);
    await client.query(
      'create table if not exists migrations (name text primary key, checksum text not null, at timestamptz not null default now())',
    );
    const { rows } = await client.query<{ name: string; checksum: string }>(
      'select name, checksum from migrations order by name',
    );
    const unknown = rows.find((row) => !files.includes(row.name));
    if (unknown) {
      throw new Error(
        `The database has migration ${unknown.name}, which this version lacks: use a newer Atoll.`,
      );
    }
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
      await client.query('begin');
      await client.query(sql);
      await client.query('insert into migrations (name, checksum) values ($1, $2)', [file, checksum]);
      await client.query('commit');
      ran.push(file);
    }
    return ran;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [lock]).catch(() => {});
    await client.query('reset statement_timeout').catch(() => {});
    client.release();
  }
}
