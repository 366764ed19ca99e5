import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { incusClient } from '../engine/compute/incus/client.ts';
import { run } from './command.ts';
import { environmentOf, isProcess, startDaemon, until } from './daemon.ts';

export interface IncusdOptions {
  /** INCUS_DIR; everything the daemon keeps lies under it. */
  dir: string;
  /** Members of this group may use the socket, which is as much as being root on this machine. */
  group: string;
  logFile: string;
}

/** Debian keeps it out of PATH, with the scripts that it calls. */
const incusd = '/usr/libexec/incus/incusd';

/**
 * Starts a private incusd and waits until it takes requests; one that answers already is left alone. It shares
 * nothing with a system-wide Incus but the kernel. Throws with the log's name where it does not come up.
 */
export async function startIncusd(
  { dir, group, logFile }: IncusdOptions,
  log: (line: string) => void,
): Promise<{ changed: boolean; pid: number }> {
  const running = incusdPid(dir);
  if (running !== undefined && (await answers(dir))) return { changed: false, pid: running };
  let pid = running;
  if (pid === undefined) {
    mkdirSync(dirname(logFile), { recursive: true });
    mkdirSync(dir, { recursive: true, mode: 0o711 });
    pid = await startDaemon(incusd, ['--group', group, '--logfile', logFile], {
      logFile: `${logFile}.out`,
      env: incusdEnvironment(dir),
    });
  }
  try {
    await run(incusd, ['waitready', '--timeout', '60'], { env: incusdEnvironment(dir), timeoutMs: 70_000 });
  } catch (cause) {
    throw new Error(`incusd (pid ${pid}) does not get ready: see ${logFile}`, { cause });
  }
  log(`incusd started, pid ${pid}`);
  return { changed: running === undefined, pid };
}

/** Stops the daemon alone: instances keep running, and the next start finds them. */
export async function stopIncusd(dir: string, log: (line: string) => void): Promise<void> {
  const pid = incusdPid(dir);
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  await awaitEnd(pid, 60_000);
  log(`incusd stopped, pid ${pid}`);
}

/** Stops the daemon with all its instances, bridges, mounts and loop devices. The data stay. */
export async function shutdownIncusd(dir: string, log: (line: string) => void): Promise<void> {
  const pid = incusdPid(dir);
  if (pid === undefined) return;
  await run(incusd, ['shutdown', '--timeout', '120'], { env: incusdEnvironment(dir), timeoutMs: 130_000 });
  await awaitEnd(pid, 10_000);
  log(`incusd shut down, pid ${pid}`);
}

/** The process of the incusd that keeps its state in `dir`, if one runs. */
export function incusdPid(dir: string): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find(
      (pid) => isProcess(pid, 'incusd') && isServer(pid) && environmentOf(pid, 'INCUS_DIR') === resolve(dir),
    );
}

/** incusd starts itself for many a chore, with the chore as first argument; options are the server's alone. */
function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1]?.startsWith('--') ?? false;
  } catch {
    return false;
  }
}

function incusdEnvironment(dir: string): Record<string, string> {
  return { INCUS_DIR: resolve(dir), PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
}

async function answers(dir: string): Promise<boolean> {
  const client = incusClient({ socketPath: join(dir, 'unix.socket') });
  try {
    await client.request('GET', '/1.0', { timeoutMs: 3_000 });
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}

async function awaitEnd(pid: number, timeoutMs: number): Promise<void> {
  if (await until(() => !isProcess(pid, 'incusd'), { timeoutMs })) return;
  throw new Error(
    `incusd (pid ${pid}) is asked to end and does not; kill -9 ${pid} leaves its instances running`,
  );
}
