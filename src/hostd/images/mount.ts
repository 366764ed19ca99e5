/** Finds the root filesystem on a raw disk and mounts it, to be read only. */
import { chown, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeOf } from './disk.ts';
import { RefusedImage } from './refused.ts';
import { nobody, step } from './step.ts';
import { type OperatingSystem, systemIn } from './tree.ts';

interface Part {
  /** Bytes. */
  offset: number;
  size: number;
}

/** What can be read, and how without a write to it: a journal that was left open is not played back. */
const filesystems: Record<string, string[]> = {
  ext2: [],
  ext3: ['noload'],
  ext4: ['noload'],
  xfs: ['norecovery', 'nouuid'],
  btrfs: [],
};

/** Where distributions put their root on btrfs: at the top, or in a subvolume of one of these names. */
const tops = ['.', 'root', '@', '@/.snapshots/1/snapshot'];

const sector = 512;

export interface Mounted {
  /** The directory that is the root of the operating system. */
  root: string;
  system: OperatingSystem;
}

/**
 * Mounts the first partition of a disk (or the whole disk, where it has none) that holds an operating system. The
 * mount and its loop device end with this mount namespace.
 * @throws RefusedImage where there is none
 */
export async function mountRoot(disk: string, work: string, maxBytes: number): Promise<Mounted> {
  // Those who probe it open a descriptor anew, as nobody: the directories above stay closed to them.
  await chown(disk, nobody, nobody);
  const found: string[] = [];
  for (const [index, part] of (await partsOf(disk, maxBytes)).entries()) {
    const type = await filesystemOf(disk, part, maxBytes);
    if (type) found.push(type);
    const options = filesystems[type];
    if (!options) continue;
    const at = join(work, `mnt${index}`);
    await mkdir(at);
    const flags = ['ro', 'nosuid', 'nodev', 'noexec', ...options, 'loop', `offset=${part.offset}`];
    try {
      await step('mount', ['-t', type, '-o', [...flags, `sizelimit=${part.size}`].join(','), disk, at], {
        maxBytes,
      });
    } catch {
      found.push(`a ${type} that cannot be mounted`);
      continue;
    }
    for (const top of tops) {
      const root = join(at, top);
      const system = await systemIn(root);
      if (system) return { root, system };
    }
  }
  if (found.length === 0)
    throw new RefusedImage(
      'It is no disk image: there is neither a partition nor a filesystem on it. ' +
        'Give a raw, qcow2, vmdk, vhdx or vdi disk, or a tar of a root filesystem, also compressed.',
    );
  const known = Object.keys(filesystems).join(', ');
  throw new RefusedImage(
    `No operating system was found on it (an os-release and an init, on ${known}). ` +
      `What is on it: ${[...new Set(found)].join(', ')}.`,
  );
}

/** The partitions of a disk; the whole of it where there is no table. Those that reach beyond its end are left out. */
async function partsOf(disk: string, maxBytes: number): Promise<Part[]> {
  const size = await sizeOf(disk);
  const table = await probe('partx', ['-r', '-g', '-o', 'START,SECTORS'], disk, maxBytes);
  const parts = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([start = 0, sectors = 0]) =>
      start > 0 && sectors > 0 ? [{ offset: start * sector, size: sectors * sector }] : [],
    )
    .filter((part) => part.offset + part.size <= size);
  // A boot sector of a bare filesystem can look like an empty table.
  return parts.length > 0 ? parts : [{ offset: 0, size }];
}

/** The name of the filesystem on a part of a disk; empty where none is known. */
async function filesystemOf(disk: string, { offset, size }: Part, maxBytes: number): Promise<string> {
  const where = ['-p', '-O', String(offset), '-S', String(size)];
  return (await probe('blkid', [...where, '-o', 'value', '-s', 'TYPE'], disk, maxBytes)).trim();
}

/** What a program of util-linux, run as nobody, says of a disk; empty where it knows nothing. */
async function probe(program: string, args: string[], disk: string, maxBytes: number): Promise<string> {
  const handle = await open(disk);
  try {
    return await step(program, [...args, '/proc/self/fd/3'], {
      unprivileged: true,
      maxBytes,
      files: [handle.fd],
    });
  } catch {
    return '';
  } finally {
    await handle.close();
  }
}
