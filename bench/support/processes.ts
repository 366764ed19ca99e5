/** What the kernel says about processes (Linux). */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: the unit of times in /proc/PID/stat, the same on all of Linux' architectures that Node runs on. */
const ticksPerSecond = 100;

interface Stat {
  parent: number;
  /** CPU time of the process and of its children that have ended, in seconds. */
  cpu: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5), counted from the end of the command's name, which may hold anything: 4 ppid, 14 to 17 times.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [utime = 0, stime = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15);
    return {
      parent: fields[1] ?? 0,
      cpu: (utime + stime + childrenUser + childrenSystem) / ticksPerSecond,
    };
  } catch {
    return undefined;
  }
}

/** A process and its children: PostgreSQL's postmaster and all its others. */
export function familyOf(pid: number): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return [pid, ...pids.filter((other) => statOf(other)?.parent === pid)];
}

/** CPU seconds that these processes have taken since they began. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (statOf(pid)?.cpu ?? 0), 0);
}

/** Binds processes with all their threads to a core; what they start later stays there, too. */
export function pin(pids: readonly number[], core: number): void {
  for (const pid of pids) {
    execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', String(core), String(pid)], {
      stdio: 'ignore',
    });
  }
}

/**
 * Memory of these processes in MB: RSS counts what they share for each of them, PSS once. Needs root, or processes
 * of one's own.
 */
export function memoryMb(pids: readonly number[]): { rss: number; pss: number } {
  const total = (name: string) =>
    pids.reduce((sum, pid) => {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      return sum + Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
    }, 0) / 1e6;
  return { rss: total('Rss'), pss: total('Pss') };
}
