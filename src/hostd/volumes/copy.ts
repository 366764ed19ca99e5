import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { run } from '../exec.ts';
import { isMounted } from './loops.ts';
import { loopMounts } from './mounts.ts';

/** There is no room for what was asked. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom';
}

/** What a copy leaves free, so that it does not take the last room from everything else on the host. */
const RESERVE_BYTES = 1024 ** 3;

/**
 * Copies a file without its holes. `device`: the loop device over it; a filesystem that is mounted from that stands
 * still the while, so that the copy is of one moment. Throws NoRoom.
 */
export async function copy(from: string, to: string, device?: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(to));
  const fits = (await allocated(from)) + RESERVE_BYTES < bavail * bsize;
  // A reflink takes no room.
  const reflink = fits ? 'auto' : 'always';
  const mount = device && (await isMounted(device)) ? (await loopMounts()).get(device) : undefined;
  const args = [from, to, reflink, device ?? '', mount?.device ?? '', mount?.directory ?? ''];
  try {
    // However long it takes: nothing may end it while the filesystem is frozen.
    await run('sh', ['-c', COPY, 'copy', ...args], { timeoutMs: 0 });
  } catch (error) {
    throw fits ? error : new NoRoom(`no room for a copy of ${from}`, { cause: error });
  }
}

/** How many bytes of the disk a file takes. */
export async function allocated(file: string): Promise<number> {
  return (await stat(file)).blocks * 512;
}

/**
 * A process of its own, so that the filesystem is let go again though hostd were killed meanwhile. What is frozen is
 * looked at first, from inside: a machine may have put something else in that place, even a way to the host's own.
 */
const COPY = `
[ -z "$4" ] || blockdev --flushbufs "$4" || exit
if [ -n "$6" ]; then
  cd "$6" && [ "$(stat --format=%Hd:%Ld .)" = "$5" ] && fsfreeze --freeze . || exit
  trap 'fsfreeze --unfreeze .' EXIT
  trap 'exit 1' HUP INT TERM
fi
cp --reflink="$3" -- "$1" "$2"`;
