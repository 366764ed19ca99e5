import { mkdir, open, readdir, readlink, rm, stat, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskSpace } from '../../engine/disk-space.ts';
import type { Host, HostVolume } from '../../engine/node/port.ts';
import { run } from '../exec.ts';
import { unlessAbsent } from '../files.ts';
import { errorText, log } from '../log.ts';
import { keyedMutex } from '../mutex.ts';
import { spaceOf } from '../space.ts';
import { isUuid } from '../validate.ts';
import { allocated, copy, NoRoom } from './copy.ts';
import { Away, volumeDirectory } from './directory.ts';
import { filesystemGrowth } from './grow.ts';
import { attach, Busy, deletedMark, detach, type Loop, loops } from './loops.ts';
import { loopMounts, type Mount } from './mounts.ts';

const GIB = 1024 ** 3;

/** What was made once, and what is asked for or made from, is not there. */
export class Missing extends Error {
  override readonly name = 'Missing';
}

/** Block volumes: a sparse file each, its loop device, and a link to that which keeps its name. */
export interface Volumes
  extends Pick<
    Host,
    'ensureVolume' | 'deleteVolume' | 'snapshotVolume' | 'deleteVolumeSnapshot' | 'volumes'
  > {
  /** What the disk has that the volumes are on. */
  space(): Promise<DiskSpace | 'away'>;
  /** Throws away what was left half-made. Where the directory is away, it is waited for, and all else refused. */
  start(): Promise<void>;
  /**
   * Makes the devices of all volumes that lack theirs (the machine was started again), drops links that lead nowhere,
   * and grows filesystems that were mounted after their volumes had grown. Throws where something is not as it should
   * be, also Away, and then does nothing.
   */
  heal(): Promise<void>;
  /** Removes all volumes and snapshots. A device that is in use goes when it is let go of. */
  remove(): Promise<void>;
}

/**
 * The volumes in `directory`, which `directory.ts` tells of; `known` is where it keeps that it knows the directory. The
 * links are in `links`, which lies below /dev: it is empty after a start of the machine, when the numbers of loop
 * devices mean something else, and Incus watches it for devices to come.
 * Methods throw Away, Busy, NoRoom and Missing. Ids are uuids: whoever calls has checked that.
 */
export function volumeStore(where: { directory: string; known: string; links: string }): Volumes {
  const { directory, links } = where;
  const exclusive = keyedMutex();
  const growth = filesystemGrowth();
  const { check, sizeOf, ids, make } = volumeDirectory(where);
  const fileOf = (id: string) => join(directory, `${id}.img`);
  const snapshotOf = (id: string) => join(directory, 'snapshots', `${id}.img`);
  const linkOf = (id: string) => join(links, id);
  const exists = async (file: string) => (await sizeOf(file)) !== undefined;

  /** Runs `task` under the mutex of `key`, once it is sure that the directory is the right one. */
  const there = <T>(key: string, task: () => Promise<T>): Promise<T> =>
    exclusive(key, async () => {
      await check();
      return task();
    });

  async function makeVolume({ id, sizeGib, filesystem, fromSnapshot }: HostVolume): Promise<void> {
    const source = fromSnapshot && snapshotOf(fromSnapshot);
    if (source && !(await exists(source))) throw new Missing(`there is no snapshot ${fromSnapshot}`);
    await withRoom(() =>
      make(fileOf(id), async (file) => {
        await (await open(file, 'wx', 0o600)).close();
        if (source) await copy(source, file);
        if ((await stat(file)).size < sizeGib * GIB) await truncate(file, sizeGib * GIB);
        if (filesystem && !source) await makeFilesystem(file, filesystem);
      }),
    );
  }

  /** The loop devices over the file of a volume that was deleted, as by mistake: they hold the last of its bytes. */
  const deletedBehind = (all: Loop[], id: string) =>
    all.filter(({ file }) => file === `${fileOf(id)}${deletedMark}`);

  async function missing(id: string): Promise<Missing> {
    const [left] = deletedBehind(await loops(), id);
    const where = left
      ? `. They are still behind ${left.device}: cp --sparse=always ${left.device} ${fileOf(id)}`
      : '';
    return new Missing(`the bytes of volume ${id} are missing: there is no ${fileOf(id)}${where}`);
  }

  /** Sees to a volume's device and its link. Answers the device itself, and its size. */
  async function attachVolume(id: string): Promise<{ device: string; bytes: number }> {
    const linked = await readlink(linkOf(id)).catch(unlessAbsent);
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

  /** Removes the links of volumes that are gone. @throws Error naming those whose bytes a loop device still has */
  async function dropStray(): Promise<void> {
    const all = await loops();
    const kept: string[] = [];
    for (const id of (await namesIn(links)).filter(isUuid)) {
      if (await exists(fileOf(id))) continue;
      if (deletedBehind(all, id).length === 0) await rm(linkOf(id), { force: true });
      else kept.push((await missing(id)).message);
    }
    if (kept.length > 0) throw new Error(kept.join('; '));
  }

  return {
    ensureVolume: (volume, { make: mayMake }) =>
      there(volume.id, async () => {
        const file = fileOf(volume.id);
        if (!(await exists(file))) {
          if (!mayMake) throw await missing(volume.id);
          await makeVolume(volume);
        }
        const size = volume.sizeGib * GIB;
        const grows = (await stat(file)).size < size;
        if (grows) await withRoom(() => truncate(file, size));
        const { device, bytes } = await attachVolume(volume.id);
        // Where a crash comes between, `heal` does it.
        if (grows) await growth.grow(device, bytes);
        return { device: linkOf(volume.id) };
      }),
    deleteVolume: (id) =>
      there(id, async () => {
        const file = fileOf(id);
        const all = await loops();
        const own = all.filter((each) => each.file === file);
        for (const loop of [...own, ...deletedBehind(all, id)]) await detach(loop);
        await rm(linkOf(id), { force: true });
        await rm(file, { force: true });
      }),
    snapshotVolume: (id, snapshotId, { make: mayMake }) =>
      exclusive(id, () =>
        there(`snapshot ${snapshotId}`, async () => {
          const snapshot = snapshotOf(snapshotId);
          if (!(await exists(snapshot))) {
            if (!mayMake)
              throw new Missing(`the bytes of snapshot ${snapshotId} are missing: there is no ${snapshot}`);
            const file = fileOf(id);
            if (!(await exists(file))) throw await missing(id);
            const device = await attach(file);
            await withRoom(() => make(snapshot, (temporary) => copy(file, temporary, device)));
          }
          return { bytes: await allocated(snapshot) };
        }),
      ),
    deleteVolumeSnapshot: (snapshotId) =>
      there(`snapshot ${snapshotId}`, () => rm(snapshotOf(snapshotId), { force: true })),
    async volumes() {
      await check();
      const volumes = await Promise.all(
        (await ids('volumes')).map(async (id) => ({ id, bytes: await sizeOf(fileOf(id)) })),
      );
      const snapshots = await ids('snapshots');
      // Unmounted meanwhile, it would look empty.
      await check();
      return {
        volumes: volumes.flatMap(({ id, bytes }) =>
          bytes === undefined ? [] : [{ id, sizeGib: Math.floor(bytes / GIB) }],
        ),
        snapshots,
      };
    },

    async space() {
      try {
        await check();
      } catch (error) {
        if (error instanceof Away) return 'away';
        throw error;
      }
      return spaceOf(directory);
    },
    async start() {
      await mkdir(links, { recursive: true, mode: 0o700 });
      try {
        await check();
      } catch (error) {
        // Droplets are served all the same; `heal` looks again.
        log('error', 'there are no volumes', { error: errorText(error) });
      }
    },
    async heal() {
      await check();
      const failures: string[] = [];
      const attempt = (task: () => Promise<unknown>) =>
        task().catch((error: unknown) => {
          // It is being deleted.
          if (!(error instanceof Busy)) failures.push(errorText(error));
        });
      const all = await ids('volumes');
      const mounts = all.length > 0 ? await loopMounts() : new Map();
      for (const id of all) {
        // Being worked on. A copy may take hours, and nothing of the host is healed while we wait.
        if (!exclusive.isLocked(id)) await attempt(() => there(id, () => healVolume(id, mounts)));
      }
      await attempt(async () => {
        await check();
        await dropStray();
      });
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

/** Tells a disk that is full from other errors. */
async function withRoom(task: () => Promise<void>): Promise<void> {
  try {
    await task();
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

/** What is in a directory, which may not be there. */
const namesIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory).catch(unlessAbsent)) ?? [];
