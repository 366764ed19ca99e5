import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RefusedImage } from './refused.ts';
import { placeIn, resolveIn, systemIn } from './tree.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'atoll-tree-'));
  for (const name of ['usr/lib', 'usr/sbin', 'etc']) await mkdir(join(root, name), { recursive: true });
  await symlink('usr/sbin', join(root, 'sbin'));
  await symlink('/usr/lib', join(root, 'absolute'));
  await symlink('../../../../../../etc', join(root, 'usr/escape'));
  await symlink('loop', join(root, 'loop'));
  await symlink('../usr/lib/os-release', join(root, 'etc/os-release'));
});
afterAll(() => rm(root, { recursive: true }));

describe('a path in a stranger’s tree', () => {
  test.each([
    ['usr/lib', 'usr/lib'],
    ['/usr/./lib/../lib', 'usr/lib'],
    ['sbin', 'usr/sbin'],
    ['absolute', 'usr/lib'],
    ['../../..', ''],
    ['usr/escape', 'etc'],
    ['loop', undefined],
    ['absent', undefined],
    ['usr/escape/passwd', undefined],
  ])('%s leads to %s, within', async (path, resolved) => {
    expect(await resolveIn(root, path)).toBe(resolved);
  });

  test.each([
    ['/sbin/mount.ext4', 'usr/sbin/mount.ext4'],
    ['/usr/escape/new/file', 'etc/new/file'],
    ['/not/yet/there', 'not/yet/there'],
    // What a link that leads nowhere would lead to is not made: the link is replaced.
    ['/etc/os-release', 'etc/os-release'],
  ])('a file at %s has its place at %s', async (path, place) => {
    expect(await placeIn(root, path)).toBe(place);
  });
});

describe('an operating system', () => {
  test('has an os-release and an init', async () => {
    expect(await systemIn(root)).toBeUndefined();
    await writeFile(join(root, 'usr/lib/os-release'), 'ID=x\nPRETTY_NAME="X 1 (one)"\n');
    expect(await systemIn(root)).toBeUndefined();
    await writeFile(join(root, 'usr/sbin/init'), '#!/bin/sh\n');
    expect(await systemIn(root)).toEqual({ name: 'X 1 (one)' });
  });

  test('is made for this processor', async () => {
    const program = Buffer.alloc(64);
    program.write('\x7fELF', 'latin1');
    // s390x, which Node runs on, too, but no droplets here.
    program.writeUInt16LE(22, 18);
    await writeFile(join(root, 'usr/sbin/init'), program);
    await expect(systemIn(root)).rejects.toThrow(RefusedImage);
  });
});
