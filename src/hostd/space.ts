import { statfs } from 'node:fs/promises';
import type { DiskSpace } from '../engine/disk-space.ts';

/** Of the filesystem that a directory is on: what it has, and what those can write who are not root. */
export async function spaceOf(directory: string): Promise<DiskSpace> {
  const { blocks, bavail, bsize } = await statfs(directory);
  return { bytes: blocks * bsize, freeBytes: bavail * bsize };
}
