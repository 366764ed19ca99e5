import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readlink, rename, rm, stat, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host, HostVolume } from '../../engine/host/port.ts';
import { run } from '../exec.ts';
import { syncToDisk } from '../files.ts';
import { errorText } from '../log.ts';
import { keyedTurns } from '../turns.ts';
import { isUuid } from '../validate.ts';
import { allocated, copy, NoRoom } from './copy.ts';
import { filesystemGrowth } from './grow.ts';
import { attach, Busy, detach, loops } from './loops.ts';
import { loopMounts, type Mount } from './mounts.ts';

const GIB = 1024 ** 3;

/** What was named is not there. */
export class Missing extends Error {
  override readonly name = 'Missing';
}

/** Block volumes: a sparse file each, its loop device, and a link to that which keeps its name. */
export interface Volumes
  extends Pick<
    Host,
    'ensureVolume' | 'deleteVolume' | 'snapshotVolume' | 'deleteVolumeSnapshot' | 'volumes'
  > {
  /** Throws away what was left half-made. */
  start(): Promise<void>;
  /**
   * Makes the devices of all volumes that lack theirs (the machine was started again), drops stray ones, and grows
   * filesystems that were mounted after their volumes had grown.
   */
  heal(): Promise<void>;
  /** Removes all volumes and snapshots. A device that is in use goes when it is let go of. */
  remove(): Promise<void>;
}

/**
 * The volumes in `directory`: `<uuid>.img`, `snapshots/<uuid>.img`, and `new/` for what is being made; a file has its
 * name only when it is whole. The links are in `links`, which lies below /dev: it is empty after a start of the
 * machine, when the numbers of loop devices mean something else, and Incus watches it for devices to come.
 * Methods throw Busy, NoRoom and Missing. Ids are uuids: whoever calls has checked that.
 */
export function volumeStore({ directory, links }: { directory: string; links: string }): Volumes {
  const inTurn = keyedTurns();
  const growth = filesystemGrowth();
  const unfinished = join(directory, 'new');
  const snapshots = join(directory, 'snapshots');
  const fileOf = (id: string) => join(directory, `${id}.img`);
  const snapshotOf = (id: string) => join(snapshots, `${id}.img`);
  const linkOf = (id: string) => join(links, id);

  /** Lets `fill` make a file, and gives it its name. */
  async function make(file: string, fill: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = join(unfinished, randomUUID());
    try {
      await fill(temporary);
      await syncToDisk(temporary);
      await rename(temporary, file);
      await syncToDisk(join(file, '..'));
    } catch (error) {
      await rm(temporary, { force: true });
      throw isNoRoom(error) ? new NoRoom(errorText(error), { cause: error }) : error;
    }
  }

  async function makeVolume({ id, sizeGib, filesystem, fromSnapshot }: HostVolume): Promise<void> {
    const source = fromSnapshot && snapshotOf(fromSnapshot);
    if (source && !(await exists(source))) throw new Missing(`there is no snapshot ${fromSnapshot}`);
    await make(fileOf(id), async (file) => {
      await (await open(file, 'wx', 0o600)).close();
      if (source) await copy(source, file);
      if ((await stat(file)).size < sizeGib * GIB) await truncate(file, sizeGib * GIB);
      if (filesystem && !source) await makeFilesystem(file, filesystem);
    });
  }

  /** Sees to a volume's device and its link. Answers the device itself, and its size. */
  async function attachVolume(id: string): Promise<{ device: string; bytes: number }> {
    const linked = await readlink(linkOf(id)).catch(() => undefined);
    const device = await attach(fileOf(id), linked);
    if (linked !== device) {
      await mkdir(links, { recursive: true, mode: 0o700 });
      // Not renamed into place: Incus, which gives a device that comes to the machines that want it, sees only what
      // is created and removed.
      await rm(linkOf(id), { force: true });
      await symlink(device, linkOf(id));
    }
    return { device, bytes: (await stat(fileOf(id))).size };
  }

  async function healVolume(id: string, mounts: Map<string, Mount>): Promise<void> {
    if (!(await exists(fileOf(id)))) return;
    const { device, bytes } = await attachVolume(id);
    await growth.heal(device, bytes, mounts);
  }

  async function dropStray(): Promise<void> {
    for (const id of (await namesIn(links)).filter(isUuid)) {
      if (!(await exists(fileOf(id)))) await rm(linkOf(id), { force: true });
    }
    for (const loop of await loops()) {
      const isStray = loop.file.startsWith(`${directory}/`) && loop.file.endsWith(' (deleted)');
      if (isStray && !loop.detaching) await run('losetup', ['--detach', loop.device]);
    }
  }

  return {
    ensureVolume: (volume) =>
      inTurn(volume.id, async () => {
        const file = fileOf(volume.id);
        if (!(await exists(file))) await makeVolume(volume);
        const size = volume.sizeGib * GIB;
        const grows = (await stat(file)).size < size;
        if (grows) await grow(file, size);
        const { device, bytes } = await attachVolume(volume.id);
        // Where a crash comes between, `heal` does it.
        if (grows) await growth.grow(device, bytes);
        return { device: linkOf(volume.id) };
      }),
    deleteVolume: (id) =>
      inTurn(id, async () => {
        const file = fileOf(id);
        const loop = (await loops()).find((each) => each.file === file);
        if (loop) await detach(loop);
        await rm(linkOf(id), { force: true });
        await rm(file, { force: true });
      }),
    snapshotVolume: (id, snapshotId) =>
      inTurn(id, () =>
        inTurn(`snapshot ${snapshotId}`, async () => {
          const snapshot = snapshotOf(snapshotId);
          if (!(await exists(snapshot))) {
            const file = fileOf(id);
            if (!(await exists(file))) throw new Missing(`there is no volume ${id}`);
            const device = await attach(file);
            await make(snapshot, (temporary) => copy(file, temporary, device));
          }
          return { bytes: await allocated(snapshot) };
        }),
      ),
    deleteVolumeSnapshot: (snapshotId) =>
      inTurn(`snapshot ${snapshotId}`, () => rm(snapshotOf(snapshotId), { force: true })),
    async volumes() {
      const volumes = await Promise.all(
        (await idsIn(directory)).map(async (id) => ({ id, bytes: await sizeOf(fileOf(id)) })),
      );
      return {
        volumes: volumes.flatMap(({ id, bytes }) =>
          bytes === undefined ? [] : [{ id, sizeGib: Math.floor(bytes / GIB) }],
        ),
        snapshots: await idsIn(snapshots),
      };
    },

    async start() {
      await rm(unfinished, { recursive: true, force: true });
      for (const each of [directory, unfinished, snapshots, links]) {
        await mkdir(each, { recursive: true, mode: 0o700 });
      }
    },
    async heal() {
      const failures: string[] = [];
      const attempt = (task: () => Promise<unknown>) =>
        task().catch((error: unknown) => {
          // It is being deleted.
          if (!(error instanceof Busy)) failures.push(errorText(error));
        });
      const ids = await idsIn(directory);
      const mounts = ids.length > 0 ? await loopMounts() : new Map();
      for (const id of ids) await attempt(() => inTurn(id, () => healVolume(id, mounts)));
      await attempt(dropStray);
      if (failures.length > 0) throw new Error(failures.join('; '));
    },
    async remove() {
      for (const { file, device } of await loops()) {
        if (file.startsWith(`${directory}/`)) await run('losetup', ['--detach', device]);
      }
      await rm(links, { recursive: true, force: true });
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function grow(file: string, bytes: number): Promise<void> {
  try {
    await truncate(file, bytes);
  } catch (error) {
    throw isNoRoom(error) ? new NoRoom(errorText(error), { cause: error }) : error;
  }
}

async function makeFilesystem(
  file: string,
  { type, label }: NonNullable<HostVolume['filesystem']>,
): Promise<void> {
  // The file reads as zeros, so that the journal need not be written: up to 1 GiB of it.
  const options = type === 'ext4' ? ['-F', '-E', 'lazy_journal_init=1'] : ['-f'];
  const named = label ? ['-L', label] : [];
  await run(`mkfs.${type}`, ['-q', ...options, ...named, file], { timeoutMs: 600_000 });
}

/** EFBIG: larger than a file can be on the host's filesystem. */
function isNoRoom(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return (
    ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code) || /no space left|file too large/i.test(errorText(error))
  );
}

const exists = async (file: string) => (await sizeOf(file)) !== undefined;

const sizeOf = (file: string) =>
  stat(file).then(
    ({ size }) => size,
    () => undefined,
  );

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

/** The ids whose images are in a directory. */
async function idsIn(directory: string): Promise<string[]> {
  const names = await namesIn(directory);
  return names.flatMap((name) => /^(.*)\.img$/.exec(name)?.[1] ?? []).filter(isUuid);
}
