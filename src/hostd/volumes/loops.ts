import { constants, open, readdir, readFile, stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { run } from '../exec.ts';

/** A machine, or something else, has the volume in use. */
export class Busy extends Error {
  override readonly name = 'Busy';
}

/** A loop device: a file as a block device. */
export interface Loop {
  /** `/dev/loop3` */
  device: string;
  /** The file behind it; that one is deleted where `deletedMark` follows its name. */
  file: string;
  /** It goes by itself as soon as whoever has it open lets go. */
  detaching: boolean;
}

/** What the kernel adds to the name of a file that has none any more. */
export const deletedMark = ' (deleted)';

/** All loop devices in use on this machine. */
export async function loops(): Promise<Loop[]> {
  const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
  const found = await Promise.all(names.map(loop));
  return found.filter((each) => each !== undefined);
}

/**
 * The block device of a file, as large as the file; made where there is none. `likely`: where to look first, as all loop
 * devices of a machine are many. Throws Busy where it is going.
 */
export async function attach(file: string, likely?: string): Promise<string> {
  const first = likely?.startsWith('/dev/loop') ? await loop(nameOf(likely)) : undefined;
  const there = first?.file === file ? first : (await loops()).find((each) => each.file === file);
  if (there?.detaching) throw new Busy(`${there.device} (${file}) is being detached`);
  if (!there) return attachNew(file);
  const sectors = Number(await readFile(`/sys/block/${nameOf(there.device)}/size`, 'utf8'));
  if (sectors * 512 !== (await stat(file)).size) await run('losetup', ['--set-capacity', there.device]);
  return there.device;
}

/** Detaches a loop device. Throws Busy while it is mounted, or open: then it goes when it is let go of. */
export async function detach({ device, file }: Loop): Promise<void> {
  if (await isMounted(device)) throw new Busy(`${device} (${file}) is mounted`);
  await run('losetup', ['--detach', device]);
  const isThere = async () => (await loop(nameOf(device)))?.file === file;
  // Whoever looks at new block devices (udev) has it open for a moment.
  for (let tries = 0; await isThere(); tries++) {
    if (tries === 20) throw new Busy(`${device} (${file}) is open`);
    await setTimeout(50);
  }
}

/** Whether a filesystem on it is mounted, in whatever namespace. */
export async function isMounted(device: string): Promise<boolean> {
  // Without O_CREAT, O_EXCL asks for a block device that nobody has claimed.
  try {
    await (await open(device, constants.O_RDONLY | constants.O_EXCL)).close();
    return false;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EBUSY') return true;
    throw error;
  }
}

async function attachNew(file: string): Promise<string> {
  // --nooverlap: never two devices for one file, whose caches would not know of each other.
  const args = ['--find', '--show', '--nooverlap', file];
  // Without it every page is cached twice; not every filesystem can do it.
  const device = await run('losetup', ['--direct-io=on', ...args]).catch(() => run('losetup', args));
  return device.trim();
}

async function loop(name: string): Promise<Loop | undefined> {
  try {
    const read = async (key: string) => (await readFile(`/sys/block/${name}/loop/${key}`, 'utf8')).trim();
    const [file, autoclear] = [await read('backing_file'), await read('autoclear')];
    return { device: `/dev/${name}`, file, detaching: autoclear === '1' };
  } catch (error) {
    if (isUnused(error)) return undefined;
    // Taken for unused, the file of a volume would be deleted under a machine that has it, or get a second device.
    throw error;
  }
}

/** What sysfs says of a loop device without a file, or which is losing it just now. */
const isUnused = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['ENOENT', 'ENODEV', 'ENXIO'].includes(String(error.code));

const nameOf = (device: string) => device.slice('/dev/'.length);
