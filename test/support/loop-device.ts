import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface LoopDevice {
  /** `/dev/loopN`. */
  path: string;
  grow(bytes: number): Promise<void>;
  remove(): Promise<void>;
}

/** A block device over a sparse file, with an ext4 filesystem unless it is to be raw. */
export async function loopDevice(
  file: string,
  { bytes = 64 * 2 ** 20, raw = false }: { bytes?: number; raw?: boolean } = {},
): Promise<LoopDevice> {
  const truncate = async (size: number) => {
    const handle = await open(file, 'a');
    await handle.truncate(size);
    await handle.close();
  };
  await truncate(bytes);
  if (!raw) await run('mkfs.ext4', ['-q', file]);
  const path = (await run('losetup', ['--find', '--show', file])).stdout.trim();
  return {
    path,
    async grow(size) {
      await truncate(size);
      await run('losetup', ['--set-capacity', path]);
    },
    async remove() {
      await run('losetup', ['--detach', path]);
    },
  };
}
