import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { builtImages, imageFileName, newestBuild, noteUse, removeOthers, removeUnused } from './cache.ts';
import { recipe, recipeDigest } from './recipe.ts';

const mirror = { main: 'http://mirror.test/debian', updates: true };
const edge = recipe('edge', mirror);
const day = 24 * 3_600_000;
let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'images-'));
});
afterEach(() => rm(cache, { recursive: true }));

const put = async (name: string) => {
  await writeFile(join(cache, name), 'x');
  return join(cache, name);
};
const first = { digest: '0123456789abcdef', bytes: 1000 };

test('a build is found by its recipe, with what its name says', async () => {
  const file = await put(imageFileName(edge, first));
  await put(imageFileName(recipe('database', mirror), first));
  await put(imageFileName({ ...edge, packages: [] }, first));
  expect(await builtImages(edge, cache)).toEqual([{ file, ...first, builtAt: expect.any(Date) }]);
  expect(await builtImages(edge, join(cache, 'none'))).toEqual([]);
});

test('one of before names no build: that of the recipe stands for it', async () => {
  await put(`edge-${recipeDigest(edge)}.tar.zst`);
  expect(await builtImages(edge, cache)).toMatchObject([{ digest: recipeDigest(edge) }]);
});

test('one that is damaged is removed, so that it is built anew', async () => {
  const packed = join(cache, 'packed');
  execFileSync('zstd', ['--quiet', '-', '-o', packed], { input: 'x'.repeat(100_000) });
  const file = join(cache, imageFileName(edge, first));
  await copyFile(packed, file);
  expect(await newestBuild(edge, cache)).toMatchObject({ file });
  // As after a power cut: the name was written, and not all of the bytes.
  for (const size of [20, 0]) {
    await truncate(file, size);
    expect(await newestBuild(edge, cache)).toBeUndefined();
    expect(await readdir(cache)).toEqual(['packed']);
    await copyFile(packed, file);
  }
  expect(await newestBuild(edge, cache)).toMatchObject({ file });
});

test('a newer build takes the place of all others of its name, and of no other', async () => {
  await put(imageFileName(edge, first));
  await put('edge-0000000000000000.tar.zst');
  await put(imageFileName(recipe('debian-12', mirror), first));
  const kept = await put(imageFileName(edge, { ...first, digest: 'fedcba9876543210' }));
  await removeOthers('edge', kept, cache);
  expect((await readdir(cache)).map((name) => name.replace(/-[0-9a-f]{16}-.*/, ''))).toEqual([
    'debian-12',
    'edge',
  ]);
});

test('what nobody has used for a month goes, and nothing that is no image', async () => {
  const now = new Date('2026-03-31T00:00:00Z');
  const old = new Date(now.getTime() - 31 * day);
  const [unused, used] = [imageFileName(edge, first), imageFileName(recipe('database', mirror), first)];
  for (const name of [unused, used, '.lock', 'notes.txt']) await utimes(await put(name), old, old);
  await noteUse(join(cache, used), now);
  expect(await removeUnused(cache, now)).toEqual([unused]);
  expect((await readdir(cache)).toSorted()).toEqual(['.lock', used, 'notes.txt'].toSorted());
});
