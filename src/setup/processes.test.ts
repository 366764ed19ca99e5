import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { adoptDaemon, findDaemon, logFile, parseStat, startDaemon, stopDaemon } from './processes.ts';

let home: string;
const recorded = async () => findDaemon(home, 'd') !== undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'atproc-'));
});

afterEach(async () => {
  await stopDaemon(home, 'd', { signal: 'SIGKILL' });
  rmSync(home, { recursive: true, force: true });
});

test('fields of stat are counted after the command name, whatever it holds', () => {
  const fields = Array.from({ length: 40 }, (_, index) => String(index + 4));
  expect(parseStat(`42 (a) S (b)) R ${fields.join(' ')}`)).toEqual({
    pid: 42,
    state: 'R',
    parent: 4,
    startTime: '22',
  });
});

test('a daemon is recorded, logged and stopped', async () => {
  const command = ['/bin/sh', '-c', 'echo "$GREETING"; exec sleep 600'];
  const spec = { name: 'd', command, env: { GREETING: 'hello' }, fingerprint: 'v1' };
  const greeted = async () => readFileSync(logFile(home, 'd'), 'utf8').includes('hello');
  const daemon = await startDaemon(home, spec, greeted);
  expect(findDaemon(home, 'd')).toEqual(daemon);
  expect(daemon.fingerprint).toBe('v1');
  expect(await stopDaemon(home, 'd')).toBe(true);
  expect(findDaemon(home, 'd')).toBeUndefined();
  expect(await stopDaemon(home, 'd')).toBe(false);
});

test('one that ignores SIGTERM is killed after the deadline', async () => {
  const command = ['/bin/sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'];
  const ready = async () => readFileSync(logFile(home, 'd'), 'utf8').includes('ready');
  await startDaemon(home, { name: 'd', command }, ready);
  expect(await stopDaemon(home, 'd', { deadlineMs: 50 })).toBe(true);
  expect(findDaemon(home, 'd')).toBeUndefined();
});

test('a process under a recycled pid is neither found nor signalled', async () => {
  adoptDaemon(home, 'd', process.pid);
  expect(findDaemon(home, 'd')?.pid).toBe(process.pid);
  const file = join(home, 'run', 'd.pid');
  const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8');
  const { startTime } = parseStat(stat);
  writeFileSync(file, readFileSync(file, 'utf8').replace(startTime, String(Number(startTime) - 1)));
  expect(await stopDaemon(home, 'd', { signal: 'SIGKILL' })).toBe(false);
});

test('one that dies while it starts shows the end of its log, and only of this start', async () => {
  await startDaemon(
    home,
    { name: 'd', command: ['/bin/sh', '-c', 'echo earlier; exec sleep 600'] },
    recorded,
  );
  await stopDaemon(home, 'd');
  const failing = { name: 'd', command: ['/bin/sh', '-c', 'echo "no such port" >&2; exit 3'] };
  const start = startDaemon(home, failing, async () => false);
  await expect(start).rejects.toThrow(/ended while it started[^]*no such port/);
  await expect(start).rejects.not.toThrow(/earlier/);
});

test('one that never answers is stopped again', async () => {
  const spec = { name: 'd', command: ['sleep', '600'] };
  await expect(startDaemon(home, spec, async () => false, 50)).rejects.toThrow(/did not answer/);
  expect(findDaemon(home, 'd')).toBeUndefined();
});

test('a program that is not there is an error that names it', async () => {
  const spec = { name: 'd', command: ['/nonexistent/program'] };
  await expect(startDaemon(home, spec, async () => false)).rejects.toThrow(/nonexistent/);
});
