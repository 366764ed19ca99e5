import * as nodeFs from 'node:fs/promises';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type VolumeFs, volumeDirectory } from './directory.ts';

const id = '5f0c4a3e-0000-4000-8000-000000000001';

let parent: string;
let directory: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'atoll-volumes-'));
  directory = join(parent, 'volumes');
});
afterEach(async () => {
  await rm(parent, { recursive: true });
});

const open = (fs?: Partial<VolumeFs>) =>
  volumeDirectory({ directory, known: join(parent, 'state', 'known') }, { ...nodeFs, ...fs });
const fileOf = (name = id) => join(directory, `${name}.img`);
const fails = (code: string) => async () => {
  throw Object.assign(new Error(`${code}: told to`), { code });
};
const write = (text: string) => (file: string) => writeFile(file, text);

describe('the place', () => {
  it('is made the first time, and known ever after', async () => {
    await open().check();
    expect((await readdir(directory)).sort()).toEqual(['.atoll-volumes', 'new', 'snapshots']);
    await open().check();
  });

  it('is away when its disk is not mounted, and nothing is made in it', async () => {
    await open().check();
    await rename(directory, join(parent, 'disk'));
    await expect(open().check()).rejects.toThrow(/mount its disk/);
    await nodeFs.mkdir(directory);
    const place = open();
    await expect(place.check()).rejects.toThrow(/mount its disk/);
    expect(await readdir(directory)).toEqual([]);
    await nodeFs.rmdir(directory);
    await rename(join(parent, 'disk'), directory);
    await place.check();
  });

  it('is away when another one is in its place', async () => {
    await open().check();
    await writeFile(join(directory, '.atoll-volumes'), 'another\n');
    await expect(open().check()).rejects.toThrow(/has another id/);
  });

  it('notices that its disk goes while a file is being made', async () => {
    const place = open();
    await place.check();
    const making = place.make(fileOf(), async (file) => {
      await writeFile(file, 'x');
      await rm(join(directory, '.atoll-volumes'));
    });
    await expect(making).rejects.toThrow(/mount its disk/);
    expect(await readdir(directory)).not.toContain(`${id}.img`);
  });

  it('takes over a directory of before, or one whose marker a crash left empty', async () => {
    await nodeFs.mkdir(directory);
    await writeFile(fileOf(), 'old');
    await writeFile(join(directory, '.atoll-volumes'), '');
    const place = open();
    await place.check();
    expect(await place.ids('volumes')).toEqual([id]);
    expect((await readFile(join(directory, '.atoll-volumes'), 'utf8')).trim()).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(['EIO', 'ESTALE', 'EACCES', 'ENOTDIR'])(
    'is not made where %s is all that is known',
    async (code) => {
      await expect(open({ readFile: fails(code) }).check()).rejects.toThrow(code);
      await expect(readdir(directory)).rejects.toThrow('ENOENT');
    },
  );

  it('clears away what was left half-made, once', async () => {
    await open().check();
    await writeFile(join(directory, 'new', 'half'), '');
    const place = open();
    await place.check();
    expect(await readdir(join(directory, 'new'))).toEqual([]);
    await writeFile(join(directory, 'new', 'under-way'), '');
    await place.check();
    expect(await readdir(join(directory, 'new'))).toEqual(['under-way']);
  });
});

describe('files', () => {
  it.each(['EIO', 'ESTALE', 'EACCES', 'ENOTDIR', 'ELOOP'])('%s does not mean "absent"', async (code) => {
    const place = open({
      stat: fails(code) as unknown as VolumeFs['stat'],
      readdir: fails(code) as unknown as VolumeFs['readdir'],
    });
    await place.check();
    await expect(place.sizeOf(fileOf())).rejects.toThrow(code);
    for (const of of ['volumes', 'snapshots'] as const) await expect(place.ids(of)).rejects.toThrow(code);
    expect(await open().sizeOf(fileOf())).toBeUndefined();
  });

  it('errs where the directory of the snapshots is gone, which had been made', async () => {
    const place = open();
    await place.check();
    await rm(join(directory, 'snapshots'), { recursive: true });
    await expect(place.ids('snapshots')).rejects.toThrow('ENOENT');
  });

  it('are whole or absent, and never take the place of another', async () => {
    const place = open();
    await place.check();
    await place.make(fileOf(), write('first'));
    await expect(place.make(fileOf(), write('second'))).rejects.toThrow('EEXIST');
    expect(await readFile(fileOf(), 'utf8')).toBe('first');
    const other = fileOf('5f0c4a3e-0000-4000-8000-000000000002');
    await expect(place.make(other, fails('ENOSPC'))).rejects.toThrow('ENOSPC');
    expect(await place.sizeOf(other)).toBeUndefined();
    expect(await readdir(join(directory, 'new'))).toEqual([]);
  });
});
