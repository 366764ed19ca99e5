/**
 * Room for the host in a disk that is full. Incus keeps the record of an instance in the volume of its disk, and changes
 * a limit through that volume: of a machine that has filled its disk it can do neither, so that such a one could not be
 * started any more, nor be given a larger disk. hostd, which limits the volume from outside, makes room meanwhile.
 */
import { says } from './errors.ts';
import { type IncusInstance, sizeOf } from './instances.ts';

/**
 * Limits the disk of an instance of this name in Incus to `bytes`; with `room`, to somewhat more than that and than it
 * has taken already.
 */
export type LimitDisk = (instance: string, limit: { bytes: number; room: boolean }) => Promise<void>;

/**
 * Does `work` with the instance; where its disk is too full for it, once more with room. The disk is limited to
 * `diskGib` in the end (absent: as it was).
 */
export async function withRoom<T>(
  limitDisk: LimitDisk | undefined,
  machine: IncusInstance,
  work: () => Promise<T>,
  diskGib = sizeOf(machine).diskGib,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!limitDisk || diskGib === 0 || !says(error, /disk quota exceeded/i)) throw error;
  }
  const bytes = diskGib * 2 ** 30;
  await limitDisk(machine.name, { bytes, room: true });
  try {
    return await work();
  } finally {
    await limitDisk(machine.name, { bytes, room: false });
  }
}
