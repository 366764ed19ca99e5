import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { run } from './command.ts';
import { isProcess, startDaemon, until } from './daemon.ts';

/** Where LXC's hook looks for it; there is one lxcfs for a whole machine. */
const machineMountPoint = '/var/lib/lxcfs';

/**
 * Sees to it that lxcfs serves, without which droplets would see the host's memory and processors. One that was
 * killed leaves its mount behind, which is replaced. Answers the pid where it had to be started. Throws where it
 * does not come up.
 */
export async function ensureLxcfs(
  logFile: string,
  log: (line: string) => void,
  mountPoint: string = machineMountPoint,
): Promise<{ pid?: number }> {
  if (isLxcfsServing(mountPoint)) return {};
  await detachDeadMount(mountPoint, log);
  mkdirSync(mountPoint, { recursive: true });
  const pidFile = ['-p', `${logFile}.pid`];
  const pid = await startDaemon('lxcfs', ['-l', ...pidFile, mountPoint], { logFile });
  if (!(await until(() => isLxcfsServing(mountPoint), { timeoutMs: 10_000 })))
    throw new Error(`lxcfs did not mount ${mountPoint}: see ${logFile}; FUSE (/dev/fuse) is needed`);
  log(`lxcfs started, pid ${pid}`);
  return { pid };
}

/**
 * Stops the lxcfs that `ensureLxcfs` has started. Containers that run keep a broken /proc: call it when none is
 * left, also of other owners.
 */
export async function stopLxcfs(
  pid: number,
  log: (line: string) => void,
  mountPoint: string = machineMountPoint,
): Promise<void> {
  if (isProcess(pid, 'lxcfs')) {
    process.kill(pid, 'SIGTERM');
    const ended = await until(() => !isProcess(pid, 'lxcfs'), { timeoutMs: 10_000 });
    log(ended ? `lxcfs stopped, pid ${pid}` : `lxcfs (pid ${pid}) does not end`);
  }
  await detachDeadMount(mountPoint, log);
}

/** Whether an lxcfs serves this machine's containers. The mount of a dead one answers ENOTCONN. */
export function isLxcfsServing(mountPoint: string = machineMountPoint): boolean {
  return isMounted(mountPoint) && existsSync(`${mountPoint}/proc/meminfo`);
}

/** Takes away the mounts that nobody serves any more. */
async function detachDeadMount(mountPoint: string, log: (line: string) => void): Promise<void> {
  while (isMounted(mountPoint) && !isLxcfsServing(mountPoint)) {
    await run('umount', ['--lazy', mountPoint]);
    log(`an lxcfs that is dead had left ${mountPoint}: unmounted`);
  }
}

function isMounted(mountPoint: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${mountPoint} fuse.lxcfs `);
}
