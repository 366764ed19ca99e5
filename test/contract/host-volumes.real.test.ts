import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { emptyBytes } from '../../src/cloud/volumes/index.ts';
import { paths } from '../../src/config.ts';
import { hostdHost } from '../../src/engine/node/hostd/host.ts';
import type { Host } from '../../src/engine/node/port.ts';
import { unless, whyNoLab } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { hostLab, type Lab, volumeBytes } from './host-lab.ts';

const run = promisify(execFile);
const obstacle = await whyNoLab();
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

describe('volumes of a real hostd', { ...unless(obstacle), timeout: 60_000 }, () => {
  let lab: Lab;
  let host: Host;
  let directory: string;
  const mounts: string[] = [];
  const guests: ChildProcess[] = [];

  const fileOf = (id: string) => join(directory, `${id}.img`);
  const probe = async (device: string) => (await run('blkid', ['-p', '-o', 'export', device])).stdout;
  const allocated = async (file: string) => (await stat(file)).blocks * 512;

  async function mount(device: string): Promise<string> {
    const target = await mkdtemp(join(tmpdir(), 'atoll-mount-'));
    mounts.push(target);
    await run('mount', [device, target]);
    return target;
  }
  async function unmount(target: string): Promise<void> {
    await run('umount', [target]);
    mounts.splice(mounts.indexOf(target), 1);
    await rm(target, { recursive: true });
  }

  async function endGuests(): Promise<void> {
    for (const guest of guests.splice(0)) {
      const exit = once(guest, 'exit');
      guest.kill('SIGKILL');
      await exit;
    }
  }

  beforeAll(async () => {
    lab = await hostLab();
    await lab.start();
    host = hostdHost({ socketPath: lab.socketPath });
    directory = paths(lab.home).volumes;
  }, 60_000);
  afterEach(async () => {
    await endGuests();
    for (const target of mounts.toReversed()) await unmount(target);
    for (const { id } of (await host.volumes()).volumes) await host.deleteVolume(id);
    for (const id of (await host.volumes()).snapshots) await host.deleteVolumeSnapshot(id);
    const left = [
      ...(await lab.loops()),
      ...(await readdir(lab.devices)),
      ...(await readdir(join(directory, 'new'))),
    ];
    if (left.length > 0) throw new Error(`left behind: ${left.join(' ')}`);
  });
  afterAll(async () => {
    await host.close();
    await lab.end();
  }, 60_000);

  it.each([
    { type: 'ext4', label: 'my data' },
    { type: 'xfs', label: '-x' },
  ] as const)('makes $type on a new volume, sparse and its own', async (filesystem) => {
    const id = randomUUID();
    const { device } = await host.ensureVolume({ id, sizeGib: 100, filesystem }, { make: true });
    expect(await probe(device)).toContain(`TYPE=${filesystem.type}`);
    expect(await probe(device)).toContain(`LABEL=${filesystem.label.replace(' ', '\\ ')}`);
    expect((await stat(fileOf(id))).size).toBe(100 * GIB);
    expect(await allocated(fileOf(id))).toBeLessThan(200 * MIB);
    const { bytes } = await host.snapshotVolume(id, randomUUID(), { make: true });
    expect(bytes).toBeLessThanOrEqual(emptyBytes({ filesystem_type: filesystem.type, size_gib: 100 }));
    expect((await stat(fileOf(id))).mode & 0o777).toBe(0o600);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const target = await mount(device);
    await writeFile(join(target, 'a'), 'kept');
    await unmount(target);
  });

  it('grows under a mounted filesystem, and gives back what is discarded', async () => {
    const volume = { id: randomUUID(), sizeGib: 1, filesystem: { type: 'ext4', label: '' } } as const;
    const { device } = await host.ensureVolume(volume, { make: true });
    const target = await mount(device);
    await writeFile(join(target, 'kept'), 'kept');
    await host.ensureVolume({ ...volume, sizeGib: 2 }, { make: true });
    expect((await run('blockdev', ['--getsize64', device])).stdout).toBe(`${2 * GIB}\n`);
    await writeFile(join(target, 'large'), Buffer.alloc(64 * MIB, 1), { flush: true });
    const full = await allocated(fileOf(volume.id));
    await rm(join(target, 'large'));
    await run('sync', ['--file-system', target]);
    await run('fstrim', [target]);
    expect(await allocated(fileOf(volume.id))).toBeLessThan(full - 50 * MIB);
    await unmount(target);
    await run('e2fsck', ['-fy', device]);
    await run('resize2fs', [device]);
    const again = await mount(device);
    const { stdout } = await run('df', ['--output=size', '-B1M', again]);
    expect(Number(stdout.split('\n')[1])).toBeGreaterThan(1900);
    expect(await readFile(join(again, 'kept'), 'utf8')).toBe('kept');
  });

  it('grows an XFS that a machine has in use, or mounts later', async () => {
    const volume = { id: randomUUID(), sizeGib: 1, filesystem: { type: 'xfs', label: '' } } as const;
    const { device } = await host.ensureVolume(volume, { make: true });
    const parent = await mkdtemp(join(tmpdir(), 'atoll-mount-'));
    const script = `mount --make-rprivate / && mount $2 $1 && cp $3 $1/kept && echo ready && exec sh -c "$4" sh $1`;
    const use = async () => {
      const args = ['--mount', 'sh', '-c', script, 'guest', parent, device, process.execPath, WRITER];
      const guest = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      guests.push(guest);
      await once(guest.stdout, 'data');
      return guest;
    };
    const sizeIn = async (guest: ChildProcess) => {
      const { blocks, bsize } = await statfs(`/proc/${guest.pid}/root${parent}`);
      return (blocks * bsize) / GIB;
    };
    let guest = await use();
    expect(await sizeIn(guest)).toBeLessThan(1);
    await host.ensureVolume({ ...volume, sizeGib: 2 }, { make: true });
    expect(await sizeIn(guest)).toBeGreaterThan(1.9);
    await endGuests();

    await host.ensureVolume({ ...volume, sizeGib: 3 }, { make: true });
    guest = await use();
    await lab.kill('SIGHUP');
    await until(async () => (await sizeIn(guest)) > 2.9);
    await endGuests();

    // Unmounted with the last process that the machine had.
    const repair = () => run('xfs_repair', ['-n', device]);
    await until(() =>
      repair().then(
        () => true,
        () => false,
      ),
    );
    const target = await mount(device);
    await run('cmp', [join(target, 'kept'), process.execPath]);
    await rm(parent, { recursive: true });
  });

  it('snapshots a mounted filesystem that is being written to, whole', async () => {
    const filesystem = { type: 'ext4', label: 'live' } as const;
    const id = randomUUID();
    const target = await mount(
      (await host.ensureVolume({ id, sizeGib: 1, filesystem }, { make: true })).device,
    );
    await writeFile(join(target, 'before'), Buffer.alloc(32 * MIB, 7));
    // Not written out yet: only a filesystem that is stopped has it on the device.
    const writer = spawn('sh', ['-c', WRITER, 'writer', target], { stdio: 'ignore' });
    const [copy, snapshot] = [randomUUID(), randomUUID()];
    const { bytes } = await host.snapshotVolume(id, snapshot, { make: true });
    expect(bytes).toBeGreaterThan(32 * MIB);
    expect(bytes).toBeLessThan(GIB);
    writer.kill();
    await once(writer, 'exit');
    // It goes on.
    await writeFile(join(target, 'after'), 'x', { flush: true });
    const { device } = await host.ensureVolume(
      { id: copy, sizeGib: 2, fromSnapshot: snapshot },
      { make: true },
    );
    await run('e2fsck', ['-fn', device]);
    const clone = await mount(device);
    expect((await readFile(join(clone, 'before'))).equals(Buffer.alloc(32 * MIB, 7))).toBe(true);
    expect(await readdir(clone)).not.toContain('after');
  });

  it('lets nobody lead it to another filesystem when it stops one', async () => {
    const id = randomUUID();
    const filesystem = { type: 'ext4', label: '' } as const;
    const parent = await mkdtemp(join(tmpdir(), 'atoll-mount-'));
    const { device } = await host.ensureVolume({ id, sizeGib: 1, filesystem }, { make: true });
    // It hides the volume's place in its mount table under another one, which leads to the host's.
    const script = `mount --make-rprivate / && mkdir -p $1/way/to && mount $2 $1/way/to &&
        mount -t tmpfs none $1/way && ln -s $3 $1/way/to && echo ready && read end`;
    const guest = spawn('unshare', ['--mount', 'sh', '-c', script, 'guest', parent, device, lab.home], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(guest.stdout, 'data');
    await expect(host.snapshotVolume(id, randomUUID(), { make: true })).rejects.toMatchObject({
      kind: 'failed',
    });
    await writeFile(join(lab.home, 'not-frozen'), '', { flush: true });
    guest.stdin.end('\n');
    await once(guest, 'exit');
    await rm(parent, { recursive: true });
  });

  it('does not delete what is mounted or open, and leaves no stray device', async () => {
    const [mounted, opened] = [randomUUID(), randomUUID()];
    const busy = { kind: 'busy' };
    const filesystem = { type: 'ext4', label: '' } as const;
    const target = await mount(
      (await host.ensureVolume({ id: mounted, sizeGib: 1, filesystem }, { make: true })).device,
    );
    await expect(host.deleteVolume(mounted)).rejects.toMatchObject(busy);
    await writeFile(join(target, 'a'), 'still there', { flush: true });
    const handle = await open((await host.ensureVolume({ id: opened, sizeGib: 1 }, { make: true })).device);
    await expect(host.deleteVolume(opened)).rejects.toMatchObject(busy);
    await expect(host.deleteVolume(opened)).rejects.toMatchObject(busy);
    await handle.close();
    await host.deleteVolume(opened);
    await unmount(target);
    await host.deleteVolume(mounted);
  });

  it('has the same devices after a restart of the machine, and heals them', async () => {
    const { read, write } = volumeBytes(host);
    const id = randomUUID();
    const { device } = await host.ensureVolume({ id, sizeGib: 1 }, { make: true });
    await write(id, 'kept');
    const lose = async () => {
      await run('losetup', ['-d', await readlink(device)]);
      await rm(lab.devices, { recursive: true });
    };
    await lab.kill('SIGKILL');
    await lose();
    await writeFile(join(directory, 'new', 'half-made'), '');
    await lab.start();
    expect(await lab.loops()).toEqual([fileOf(id)]);
    expect(await read(id)).toBe('kept');
    expect(await host.ensureVolume({ id, sizeGib: 1 }, { make: true })).toEqual({ device });
    await lose();
    await lab.kill('SIGHUP');
    await until(async () => (await readlink(device).catch(() => undefined)) !== undefined);
    expect(await read(id)).toBe('kept');
    // A device whose file was deleted behind hostd's back holds the last of its bytes.
    await rm(fileOf(id));
    await lab.kill('SIGHUP');
    await until(async () => (await lab.health())?.trouble?.includes('cp --sparse=always') === true);
    const loop = await readlink(device);
    await expect(host.ensureVolume({ id, sizeGib: 1 }, { make: false })).rejects.toMatchObject({
      kind: 'missing',
    });
    await run('cp', ['--sparse=always', loop, fileOf(id)]);
    await host.ensureVolume({ id, sizeGib: 1 }, { make: false });
    expect(await read(id)).toBe('kept');
    await host.deleteVolume(id);
    expect(await lab.loops()).toEqual([]);
  });

  it('takes no error of the file system for "absent", and never overwrites what is there', async () => {
    const { read, write } = volumeBytes(host);
    const [id, snapshot] = [randomUUID(), randomUUID()];
    await host.ensureVolume({ id, sizeGib: 1 }, { make: true });
    await write(id, 'kept');
    // Names that can be seen, of what cannot be: a loop of links is ELOOP to whoever asks for the file.
    const away = join(lab.home, 'away');
    await rename(fileOf(id), away);
    await symlink(fileOf(id), fileOf(id));
    await symlink(`${snapshot}.img`, join(directory, 'snapshots', `${snapshot}.img`));
    const failed = { kind: 'failed', message: expect.stringContaining('ELOOP') };
    for (const make of [true, false]) {
      await expect(host.ensureVolume({ id, sizeGib: 1 }, { make })).rejects.toMatchObject(failed);
      await expect(host.snapshotVolume(id, snapshot, { make })).rejects.toMatchObject(failed);
    }
    await expect(host.volumes()).rejects.toMatchObject(failed);
    await lab.kill('SIGHUP');
    await until(async () => (await lab.health())?.trouble?.includes('ELOOP') === true);
    expect(await readlink(fileOf(id))).toBe(fileOf(id));
    await rename(away, fileOf(id));
    await rm(join(directory, 'snapshots', `${snapshot}.img`));
    await lab.kill('SIGHUP');
    await until(async () => (await lab.health())?.trouble === undefined);
    expect(await read(id)).toBe('kept');
  });

  it('waits for the disk with the volumes, also when it starts', async () => {
    const { read, write } = volumeBytes(host);
    const id = randomUUID();
    const { device } = await host.ensureVolume({ id, sizeGib: 1 }, { make: true });
    await write(id, 'kept');
    await lab.kill('SIGTERM');
    await run('losetup', ['-d', await readlink(device)]);
    await rm(lab.devices, { recursive: true });
    // What the machine finds when a disk was not mounted at its start: a directory on another filesystem.
    await run('mount', ['-t', 'tmpfs', 'none', directory]);
    try {
      await lab.start();
      expect((await lab.health())?.trouble).toContain('mount its disk');
      const away = { kind: 'unavailable', message: expect.stringContaining('mount its disk') };
      await expect(host.ensureVolume({ id, sizeGib: 1 }, { make: true })).rejects.toMatchObject(away);
      await expect(host.volumes()).rejects.toMatchObject(away);
      expect(await readdir(directory)).toEqual([]);
      await lab.kill('SIGTERM');
    } finally {
      await run('umount', [directory]);
    }
    await lab.start();
    expect(await host.ensureVolume({ id, sizeGib: 1 }, { make: false })).toEqual({ device });
    expect(await read(id)).toBe('kept');
  });

  it('converges after kill -9 in the middle of anything', async () => {
    const { read, write } = volumeBytes(host);
    const [raw, made, snapshot, copy] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    const filesystem = { type: 'ext4', label: 'whole' } as const;
    await host.ensureVolume({ id: raw, sizeGib: 1 }, { make: true });
    await fill((await host.ensureVolume({ id: raw, sizeGib: 1 }, { make: true })).device, 300);
    await write(raw, 'bytes\0');
    const steps = [
      () => host.ensureVolume({ id: made, sizeGib: 50, filesystem }, { make: true }),
      () => host.snapshotVolume(raw, snapshot, { make: true }),
      () => host.ensureVolume({ id: copy, sizeGib: 2, fromSnapshot: snapshot }, { make: true }),
      () => host.ensureVolume({ id: copy, sizeGib: 3, fromSnapshot: snapshot }, { make: true }),
      () => host.deleteVolume(raw),
    ];
    for (const step of steps) {
      for (const delay of [5, 40]) {
        const outcome = step().catch((error: unknown) => error);
        await new Promise((resolve) => setTimeout(resolve, delay));
        await lab.kill('SIGKILL');
        await outcome;
        await lab.start();
      }
      await step();
    }
    expect(
      await probe((await host.ensureVolume({ id: made, sizeGib: 50 }, { make: true })).device),
    ).toContain('LABEL=whole');
    expect(await read(copy)).toBe('bytes');
    expect((await host.volumes()).volumes).toEqual(
      expect.arrayContaining([
        { id: made, sizeGib: 50 },
        { id: copy, sizeGib: 3 },
      ]),
    );
    expect((await lab.loops()).sort()).toEqual([fileOf(made), fileOf(copy)].sort());
    // What the copies of a killed hostd go on writing into is theirs alone.
    await until(async () => (await readdir(join(directory, 'new'))).length === 0);
  }, 120_000);

  it('refuses what is no volume', async () => {
    const id = randomUUID();
    const bad = [
      { id, sizeGib: 0 },
      { id, sizeGib: 1.5 },
      { id, sizeGib: 20_000 },
      { id: '../../etc/passwd', sizeGib: 1 },
      { id: id.toUpperCase(), sizeGib: 1 },
      { id, sizeGib: 1, fromSnapshot: '../x' },
      { id, sizeGib: 1, filesystem: { type: 'ext4' as const, label: 'x'.repeat(17) } },
    ];
    for (const volume of bad) {
      await expect(host.ensureVolume(volume, { make: true })).rejects.toMatchObject({ kind: 'rejected' });
    }
    expect((await host.volumes()).volumes).toEqual([]);
  });

  it('removes everything, also devices that are in use', async () => {
    const { device } = await host.ensureVolume({ id: randomUUID(), sizeGib: 1 }, { make: true });
    const handle = await open(device);
    await lab.kill('SIGTERM');
    expect(await lab.loops()).toHaveLength(1);
    await lab.remove();
    await handle.close();
    await until(async () => (await lab.loops()).length === 0);
    await expect(readdir(directory)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readdir(lab.devices)).rejects.toMatchObject({ code: 'ENOENT' });
    await lab.start();
  });
});

describe('volumes where there is no room', unless(obstacle), () => {
  it('says so and leaves everything as it is', async () => {
    const lab = await hostLab();
    const { volumes: directory } = paths(lab.home);
    const disk = join(lab.home, 'disk');
    const host = hostdHost({ socketPath: lab.socketPath });
    const exhausted = { kind: 'exhausted' };
    await run('truncate', ['-s', '256M', disk]);
    await run('mkfs.ext4', ['-q', '-F', disk]);
    await mkdir(directory);
    await run('mount', ['-o', 'loop', disk, directory]);
    try {
      await lab.start();
      const [id, snapshot] = [randomUUID(), randomUUID()];
      const { device } = await host.ensureVolume({ id, sizeGib: 1 }, { make: true });
      await fill(device, 150);
      await expect(host.snapshotVolume(id, snapshot, { make: true })).rejects.toMatchObject(exhausted);
      // It cannot be as large as that on this filesystem.
      await expect(host.ensureVolume({ id, sizeGib: 16_384 }, { make: true })).rejects.toMatchObject(
        exhausted,
      );
      await run('dd', ['if=/dev/zero', `of=${directory}/filler`, 'bs=1M']).catch(() => {});
      const filesystem = { type: 'ext4', label: '' } as const;
      await expect(
        host.ensureVolume({ id: randomUUID(), sizeGib: 500, filesystem }, { make: true }),
      ).rejects.toMatchObject(exhausted);
      expect(await host.volumes()).toEqual({ volumes: [{ id, sizeGib: 1 }], snapshots: [] });
      expect(await readdir(join(directory, 'new'))).toEqual([]);
      await host.deleteVolume(id);
    } finally {
      await host.close();
      await lab.kill('SIGTERM');
      await run('umount', [directory]);
      await lab.end();
    }
  }, 60_000);
});

/** Writes MiBs that are not zero. */
async function fill(device: string, mib: number): Promise<void> {
  const handle = await open(device, 'r+');
  for (let at = 0; at < mib; at++) await handle.write(Buffer.alloc(MIB, 1 + (at % 255)), 0, MIB, at * MIB);
  await handle.sync();
  await handle.close();
}

const WRITER = `i=0; while :; do i=$((i + 1)); echo $i > $1/f$((i % 100)); mkdir -p $1/d$i; rmdir $1/d$((i - 5)) 2>/dev/null; done`;
