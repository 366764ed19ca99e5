/** A database that is not to be had, from the launcher down. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { atollCli, mustAtoll } from '../support/cli.ts';
import { freePort } from '../support/real-atoll.ts';

it('a database URL that leads nowhere is not kept: the next up goes on with the database of before', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'at-url-'));
  const home = join(directory, 'home');
  const atoll = mustAtoll(home);
  try {
    await atoll('up', '--simulated', '--port', String(await freePort()));
    const refused = await atollCli(home)('up', '--database-url', 'postgres://atoll@127.0.0.1:1/none');
    expect(refused.code).toBe(1);
    expect(await atoll('up')).toContain('Ready');
    expect((await atollCli(home)('status')).code).toBe(0);
  } finally {
    await atollCli(home)('destroy', '--yes', '--keep-cache');
    rmSync(directory, { recursive: true, force: true });
  }
});
