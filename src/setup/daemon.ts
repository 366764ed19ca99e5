import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Starts a program in a session of its own, so that it has no controlling terminal and outlives this process.
 * Its output is appended to `logFile`. Throws where the program cannot be started.
 */
export async function startDaemon(
  file: string,
  args: readonly string[],
  { logFile, env = {} }: { logFile: string; env?: Record<string, string> },
): Promise<number> {
  const log = openSync(logFile, 'a', 0o640);
  try {
    const child = spawn(file, args, {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    if (child.pid === undefined) throw new Error(`${file} has no process id`);
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** Whether the process is there and runs this program: a recorded pid may have been given to another since. */
export function isProcess(pid: number, program: string): boolean {
  try {
    const executable = basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '');
    return executable === program && !isZombie(pid);
  } catch {
    return false;
  }
}

/** An environment variable of a process; undefined where it has none or is gone. */
export function environmentOf(pid: number, name: string): string | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  } catch {
    return undefined;
  }
}

/** Waits until the condition holds; answers whether it did within `timeoutMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs, everyMs = 20 }: { timeoutMs: number; everyMs?: number },
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await sleep(everyMs);
  }
  return true;
}

/** A daemon whose parent does not reap stays a zombie after its end, where init is no init. */
function isZombie(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}
