import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { paths } from '../config.ts';

/** A daemon of a home, as its pid file tells. */
export interface Daemon {
  name: string;
  pid: number;
  /** What it was started from (code and configuration), as its starter wrote it; empty where nobody did. */
  fingerprint: string;
}

export interface DaemonSpec {
  name: string;
  command: string[];
  env?: Record<string, string>;
  cwd?: string;
  fingerprint?: string;
}

/** Fixed, so that a daemon does not depend on the shell that happened to start it. */
const daemonPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const pollMs = 15;
const logKeepBytes = 20 * 1024 * 1024;

/**
 * Writes the pid file of the shell that runs it and becomes the daemon: so no daemon ever runs unrecorded, even
 * when its starter is killed. Arguments: pid file, fingerprint, command.
 */
const recordAndExec = `
read -r stat < /proc/$$/stat
read -r boot < /proc/sys/kernel/random/boot_id
printf '%s\\n%s\\n%s\\n' "$stat" "$boot" "$2" > "$1.new" && mv "$1.new" "$1" || exit 1
shift 2
exec "$@"
`;

/** Where a daemon's output goes. */
export function logFile(home: string, name: string): string {
  return join(paths(home).log, `${name}.log`);
}

function pidFile(home: string, name: string): string {
  return join(paths(home).run, `${name}.pid`);
}

/**
 * Reads state, parent and start time from a line of /proc/PID/stat (proc(5): fields 3, 4 and 22). The command name in
 * field 2 may hold anything, so fields are counted from its closing parenthesis.
 */
export function parseStat(line: string): { pid: number; state: string; parent: number; startTime: string } {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const [state = '', parent] = fields;
  return { pid: Number.parseInt(line, 10), state, parent: Number(parent), startTime: fields[19] ?? '' };
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

const bootId = () => (readText('/proc/sys/kernel/random/boot_id') ?? '').trim();

/** The daemon of this name, if it runs: the very process that was started, not another under a recycled pid. */
export function findDaemon(home: string, name: string): Daemon | undefined {
  const [stat, boot, fingerprint = ''] = (readText(pidFile(home, name)) ?? '').split('\n');
  if (!stat || boot !== bootId()) return undefined;
  const recorded = parseStat(stat);
  const current = readText(`/proc/${recorded.pid}/stat`);
  if (!current) return undefined;
  const { state, startTime } = parseStat(current);
  if (startTime !== recorded.startTime || state === 'Z' || state === 'X') return undefined;
  return { name, pid: recorded.pid, fingerprint };
}

/** Records a daemon that something else started. Throws where no process has this pid. */
export function adoptDaemon(home: string, name: string, pid: number): Daemon {
  const stat = readText(`/proc/${pid}/stat`);
  if (!stat) throw new Error(`${name}: no process has the pid ${pid}`);
  mkdirSync(paths(home).run, { recursive: true });
  writeFileSync(pidFile(home, name), `${stat.trim()}\n${bootId()}\n\n`);
  return { name, pid, fingerprint: '' };
}

async function spawnDaemon(home: string, spec: DaemonSpec): Promise<Daemon> {
  const { log, run } = paths(home);
  for (const directory of [log, run]) mkdirSync(directory, { recursive: true });
  const output = logFile(home, spec.name);
  if (logSize(output) > logKeepBytes) renameSync(output, `${output}.1`);
  rmSync(pidFile(home, spec.name), { force: true });
  const descriptor = openSync(output, 'a', 0o640);
  try {
    const record = [pidFile(home, spec.name), spec.fingerprint ?? ''];
    const child = spawn('/bin/sh', ['-c', recordAndExec, 'sh', ...record, ...spec.command], {
      detached: true,
      stdio: ['ignore', descriptor, descriptor],
      cwd: spec.cwd ?? home,
      env: { PATH: daemonPath, LANG: 'C.UTF-8', ...spec.env },
    });
    await once(child, 'spawn');
    child.unref();
    return { name: spec.name, pid: child.pid ?? 0, fingerprint: spec.fingerprint ?? '' };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Starts a daemon: detached from this process and its terminal, recorded in `<home>/run/NAME.pid`, its output
 * appended to `<home>/log/NAME.log`. It gets no environment but PATH, a UTF-8 locale and `env`.
 * Waits until `ready` answers true. Throws with the end of its log when it dies before that, or is not ready
 * within `deadlineMs`; then it is stopped again.
 */
export async function startDaemon(
  home: string,
  spec: DaemonSpec,
  ready: () => Promise<boolean>,
  deadlineMs = 30_000,
): Promise<Daemon> {
  const logStart = logSize(logFile(home, spec.name));
  const daemon = await spawnDaemon(home, spec);
  const deadline = performance.now() + deadlineMs;
  while (!(await ready())) {
    const alive = isAlive(daemon.pid);
    if (alive && performance.now() < deadline) {
      await delay(pollMs);
      continue;
    }
    if (alive) await stopDaemon(home, spec.name, { deadlineMs: 2000 });
    const what = alive ? `did not answer within ${deadlineMs / 1000} s` : 'ended while it started';
    throw new Error(
      `${spec.name} ${what}. The end of ${logFile(home, spec.name)}:\n${logTail(home, spec.name, logStart)}`,
    );
  }
  return daemon;
}

function isAlive(pid: number): boolean {
  const stat = readText(`/proc/${pid}/stat`);
  return stat !== undefined && !['Z', 'X'].includes(parseStat(stat).state);
}

/**
 * Stops a daemon: `signal` (SIGTERM), and SIGKILL when it is still there after `deadlineMs`. Answers whether it
 * ran.
 */
export async function stopDaemon(
  home: string,
  name: string,
  { signal = 'SIGTERM', deadlineMs = 15_000 }: { signal?: NodeJS.Signals; deadlineMs?: number } = {},
): Promise<boolean> {
  const daemon = findDaemon(home, name);
  if (daemon) {
    signalProcess(daemon.pid, signal);
    if (!(await gone(home, name, deadlineMs))) {
      signalProcess(daemon.pid, 'SIGKILL');
      if (!(await gone(home, name, 5000)))
        throw new Error(`${name} (pid ${daemon.pid}) does not end, even by SIGKILL`);
    }
  }
  rmSync(pidFile(home, name), { force: true });
  return daemon !== undefined;
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function gone(home: string, name: string, deadlineMs: number): Promise<boolean> {
  const deadline = performance.now() + deadlineMs;
  while (findDaemon(home, name)) {
    if (performance.now() > deadline) return false;
    await delay(pollMs);
  }
  return true;
}

function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last lines of a daemon's log, not reaching back before byte `from`. */
function logTail(home: string, name: string, from: number): string {
  const file = logFile(home, name);
  const size = logSize(file);
  const start = Math.max(from <= size ? from : 0, size - 4096);
  const buffer = Buffer.alloc(size - start);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, buffer, 0, buffer.length, start);
  } finally {
    closeSync(descriptor);
  }
  const lines = buffer.toString('utf8').trimEnd().split('\n').slice(-30);
  return lines.map((line) => `  ${line}`).join('\n') || '  (empty)';
}
