import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { volumeStore } from './volumes.ts';

const id = '7d4c9b1e-0000-4000-8000-000000000001';
const snapshot = '7d4c9b1e-0000-4000-8000-000000000002';
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'heal-'));
});
afterEach(() => rm(home, { recursive: true }));

test('a volume that is being worked on, for however long, keeps nothing else from being healed', async () => {
  const directory = join(home, 'volumes');
  const volumes = volumeStore({ directory, known: join(home, 'known'), links: join(home, 'links') });
  await volumes.start();
  // A snapshot whose copy ends when we say so.
  const source = join(directory, 'snapshots', `${snapshot}.img`);
  execFileSync('mkfifo', [source]);
  const volume = { id, sizeGib: 1, fromSnapshot: snapshot };
  const made = volumes.ensureVolume(volume, { make: true }).catch((error: unknown) => error);
  await setTimeout(100);
  await writeFile(join(directory, `${id}.img`), 'brought back meanwhile');
  const healed = volumes.heal().then(() => 'healed');
  expect(await Promise.race([healed, setTimeout(2_000, 'it waits')])).toBe('healed');
  await writeFile(source, 'copied');
  expect(await made).toMatchObject({ code: 'EEXIST' });
  expect(await readFile(join(directory, `${id}.img`), 'utf8')).toBe('brought back meanwhile');
});
