import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { recordFiles as filesOf } from './files.ts';

const recordFiles = (directory: string) =>
  filesOf(directory, (text) => (/^\d+$/.test(text) ? Number(text) : undefined));

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'atoll-files-'));
});
afterEach(async () => {
  await rm(parent, { recursive: true });
});

it('keeps records over restarts, for its owner only', async () => {
  const directory = join(parent, 'state');
  const files = recordFiles(directory);
  expect(await files.load()).toEqual(new Map());
  await files.save(7, { generation: 1 });
  await files.save(7, { generation: 2 });
  await files.save(8, { generation: 1 });
  await files.delete(8);
  await files.delete(9);
  expect(await recordFiles(directory).load()).toEqual(new Map([[7, { generation: 2 }]]));
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect((await stat(join(directory, '7.json'))).mode & 0o777).toBe(0o600);
});

it('throws away what a crash left half-written, and survives a spoilt file', async () => {
  await recordFiles(parent).save(7, { generation: 1 });
  await writeFile(join(parent, '7.json.new'), '{"gener');
  await writeFile(join(parent, '8.json'), '{"gener');
  expect(await recordFiles(parent).load()).toEqual(
    new Map<number, unknown>([
      [7, { generation: 1 }],
      [8, undefined],
    ]),
  );
  expect((await readdir(parent)).sort()).toEqual(['7.json', '8.json']);
});
