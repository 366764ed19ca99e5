import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { paths } from '../config.ts';
import { ensurePostgres, identMap, type PostgresServer, stopPostgres } from './postgres.ts';
import { findDaemon } from './processes.ts';
import { ensureUser, type User } from './user.ts';

let home: string;
let user: User | undefined;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'atpg-'));
  chmodSync(home, 0o755);
  user = (await ensureUser()).user;
});

afterEach(async () => {
  await stopPostgres(home);
  rmSync(home, { recursive: true, force: true });
});

async function query(server: PostgresServer, text: string, as = server.user): Promise<unknown[]> {
  const client = new Client({ host: server.socketDir, user: as, database: server.database });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows.flatMap((row) => Object.values(row));
  } finally {
    await client.end();
  }
}

test('only the administrator may be the superuser', () => {
  expect(identMap('atoll', 'root')).toBe('atoll atoll atoll\natoll root atoll\natoll root postgres\n');
  expect(identMap('ann', 'ann')).toBe('atoll ann atoll\natoll ann postgres\n');
});

// Both kinds: this machine's packages where it has them, and the npm package.
const installations: [string, string | undefined][] = [
  ['packages', undefined],
  ['npm package', '/nonexistent'],
];
test.each(installations)(
  '%s: is made, kept over a restart and survives SIGKILL',
  async (_, systemRoot) => {
    const options = { home, user, ...(systemRoot && { systemRoot }) };
    const first = await ensurePostgres(options);
    expect(first.started).toBe(true);
    expect(await query(first, 'SELECT usesuper FROM pg_user WHERE usename = current_user')).toEqual([false]);
    expect(await query(first, 'SHOW fsync')).toEqual(['on']);
    expect(await query(first, 'SHOW server_encoding')).toEqual(['UTF8']);
    await query(first, 'CREATE TABLE kept AS SELECT 7 AS n');

    expect((await ensurePostgres(options)).started).toBe(false);
    expect(await stopPostgres(home)).toBe(true);
    expect(await stopPostgres(home)).toBe(false);

    expect((await ensurePostgres(options)).started).toBe(true);
    process.kill(findDaemon(home, 'postgres')?.pid ?? 0, 'SIGKILL');
    await expect.poll(() => findDaemon(home, 'postgres')).toBeUndefined();
    expect((await ensurePostgres(options)).started).toBe(true);
    expect(await query(first, 'SELECT n FROM kept')).toEqual([7]);
  },
  60_000,
);

test('a server whose record was lost is found again, and a stale pid file does no harm', async () => {
  const server = await ensurePostgres({ home, user });
  const pid = findDaemon(home, 'postgres')?.pid;
  rmSync(paths(home).run, { recursive: true });
  expect((await ensurePostgres({ home, user })).started).toBe(false);
  expect(findDaemon(home, 'postgres')?.pid).toBe(pid);

  const pidFile = join(paths(home).postgresData, 'postmaster.pid');
  const content = readFileSync(pidFile, 'utf8');
  await stopPostgres(home);
  const stale = content.replace(/^\d+/, String(process.pid));
  writeFileSync(pidFile, stale);
  writeFileSync(join(paths(home).postgresSocket, '.s.PGSQL.5432.lock'), stale);
  expect((await ensurePostgres({ home, user })).started).toBe(true);
  expect(await query(server, 'SELECT 1')).toEqual([1]);
}, 60_000);

test('data of a major that is not there is refused with the remedy', async () => {
  await ensurePostgres({ home, user });
  await stopPostgres(home);
  writeFileSync(join(paths(home).postgresData, 'PG_VERSION'), '12\n');
  await expect(ensurePostgres({ home, user })).rejects.toThrow(/PostgreSQL 12.*postgresql-12/);
}, 60_000);
