import { mkdirSync, readFileSync } from 'node:fs';
import { isProcess, startDaemon, until } from './daemon.ts';

/** Where LXC's hook looks for it; there is one lxcfs for a whole machine. */
const mountPoint = '/var/lib/lxcfs';

/**
 * Sees to it that lxcfs runs, without which droplets would see the host's memory and processors. Answers the
 * pid where it had to be started. Throws where it does not come up.
 */
export async function ensureLxcfs(
  logFile: string,
  log: (line: string) => void,
): Promise<{ changed: boolean; pid?: number }> {
  if (isLxcfsMounted()) return { changed: false };
  mkdirSync(mountPoint, { recursive: true });
  const pid = await startDaemon('lxcfs', ['-l', mountPoint], { logFile });
  if (!(await until(isLxcfsMounted, { timeoutMs: 10_000 })))
    throw new Error(`lxcfs did not mount ${mountPoint}: see ${logFile}; FUSE (/dev/fuse) is needed`);
  log(`lxcfs started, pid ${pid}`);
  return { changed: true, pid };
}

/**
 * Stops the lxcfs that `ensureLxcfs` has started. Containers that run keep a broken /proc: call it when none is
 * left, also of other owners.
 */
export async function stopLxcfs(pid: number, log: (line: string) => void): Promise<void> {
  if (!isProcess(pid, 'lxcfs')) return;
  process.kill(pid, 'SIGTERM');
  const ended = await until(() => !isProcess(pid, 'lxcfs'), { timeoutMs: 10_000 });
  log(ended ? `lxcfs stopped, pid ${pid}` : `lxcfs (pid ${pid}) does not end`);
}

/** Whether an lxcfs serves this machine's containers. */
export function isLxcfsMounted(): boolean {
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${mountPoint} fuse.lxcfs `);
}
