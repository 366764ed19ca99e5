/** One PostgreSQL for a test run, in a directory of its own; each test file makes a database of its own in it. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensurePostgres, stopPostgres } from '../../src/host/postgres.ts';
import { ensureUser } from '../../src/host/user.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresSocket: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const home = mkdtempSync(join(tmpdir(), 'atoll-db-'));
  // The server runs as a user of its own, which must get through to its directories.
  chmodSync(home, 0o711);
  const { user } = await ensureUser();
  const { socketDir } = await ensurePostgres({ home, user });
  project.provide('postgresSocket', socketDir);
  return async () => {
    await stopPostgres(home);
    rmSync(home, { recursive: true, force: true });
  };
}
