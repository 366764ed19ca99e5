/**
 * One PostgreSQL for a test run, in a directory of its own, with one migrated database: those of the test files are
 * copies of it.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensurePostgres, stopPostgres } from '../../src/setup/postgres.ts';
import { ensureUser } from '../../src/setup/user.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { adminOf, templateDatabase } from './database.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresSocket: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const home = mkdtempSync(join(placeForData(), 'atoll-db-'));
  // The server runs as a user of its own, which must get through to its directories.
  chmodSync(home, 0o711);
  const { user } = await ensureUser();
  const { socketDir } = await ensurePostgres({ home, user, durable: false });
  await makeTemplate(socketDir);
  project.provide('postgresSocket', socketDir);
  return async () => {
    await stopPostgres(home);
    rmSync(home, { recursive: true, force: true });
  };
}

/**
 * Memory, where there is room: each test file makes and drops databases of 10 MB, which on a busy disk takes ten times as
 * long. What runs there may be PostgreSQL's programs, too.
 */
function placeForData(): string {
  const memory = '/dev/shm';
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  const mounted = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((line) => line.includes(` ${memory} `));
  return bavail * bsize >= 4 * 2 ** 30 && !mounted?.includes('noexec') ? memory : tmpdir();
}

/** The migrated database that others are copied from. Nobody stays connected to it: PostgreSQL copies no other. */
async function makeTemplate(socketDir: string): Promise<void> {
  await adminOf(socketDir)(`create database ${templateDatabase} owner atoll`);
  const store = openStore({ socketDir, database: templateDatabase, user: 'atoll' }, { name: 'template' });
  try {
    await migrate(store.pool);
  } finally {
    await store.close();
  }
}
