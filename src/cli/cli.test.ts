import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Config } from '../config.ts';
import { checkout } from './control-plane.ts';
import { withStore } from './database.ts';
import { formatFindings } from './doctor.ts';
import { shellQuote } from './env.ts';
import { withHomeLock } from './home-lock.ts';
import {
  knownHomes,
  readShared,
  recordShared,
  registerHome,
  unregisterHome,
  writeFileAtomically,
} from './machine.ts';
import { missingFindings } from './missing.ts';
import { createSteps, formatDuration, together } from './steps.ts';
import { createTimeline, formatTimeline } from './timeline.ts';
import { parseTtl } from './token.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'atcli-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function atoll(args: string[], program = join(checkout, 'atoll')) {
  const env = { PATH: process.env.PATH ?? '', HOME: directory, ATOLL_HOME: join(directory, 'home') };
  return spawnSync(program, args, { cwd: directory, env, encoding: 'utf8' });
}

test('the launcher works from anywhere and through symbolic links', () => {
  symlinkSync(join(checkout, 'atoll'), join(directory, 'one'));
  symlinkSync('one', join(directory, 'two'));
  expect(execFileSync(join(directory, 'two'), ['help'], { cwd: directory, encoding: 'utf8' })).toContain(
    'Usage: atoll',
  );
});

test('every command has help, and what is typed wrongly ends with 2', () => {
  expect(atoll(['up', '--help'])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('--simulated'),
  });
  expect(atoll(['frobnicate'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('no command frobnicate'),
  });
  expect(atoll(['--home', '/tmp', 'status'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('options stand after the command'),
  });
  expect(atoll(['up', '--bogus'])).toMatchObject({ status: 2, stderr: expect.stringContaining('--bogus') });
  expect(atoll(['env', 'surplus'])).toMatchObject({ status: 2, stderr: expect.stringContaining('surplus') });
  expect(atoll(['logs', '--home', `/${'x'.repeat(90)}`])).toMatchObject({ status: 2 });
});

test.for(['env', 'status', 'down', 'logs'])('%s says where there is no Atoll', (name) => {
  expect(atoll([name])).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('There is no Atoll at'),
  });
});

test('a database that does not run is started by the up of its own home, not of the default one', async () => {
  const config = {} as Config;
  await expect(withStore(directory, config, async () => {})).rejects.toThrow(
    `start it by ./atoll up --home ${directory}.`,
  );
});

test('steps tell duration and detail, and failures are thrown on', async () => {
  const out = new PassThrough({ encoding: 'utf8' });
  const { step } = createSteps(out);
  expect(await step('first', () => 'done it')).toBe('done it');
  await expect(step('second', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  const text = String(out.read());
  expect(text).toMatch(/✓ first +\d+ ms {2}done it\n/);
  expect(text).toMatch(/✗ second +\d+ ms\n/);
});

test('where no line can be rewritten, a long step says now and then what it is busy with', async () => {
  const out = new PassThrough({ encoding: 'utf8' });
  let now = 0;
  const { step } = createSteps(out, () => now);
  await step('image edge', (note) => {
    for (const text of ['packing', 'packing', 'unpacking']) {
      now += 10_000;
      note(text);
    }
  });
  expect(out.read()).toMatch(/^ {2}… image edge: packing\n {2}✓ image edge +30\.0 s\n$/);
});

test('together waits for all before it fails', async () => {
  const done: string[] = [];
  const slow = new Promise<void>((resolve) => {
    setImmediate(() => {
      done.push('slow');
      resolve();
    });
  });
  await expect(together([Promise.reject(new Error('first')), slow])).rejects.toThrow('first');
  expect(done).toEqual(['slow']);
});

test('durations are readable', () => {
  expect([12.4, 1234, 61_000, 125_000].map(formatDuration)).toEqual([
    '12 ms',
    '1.2 s',
    '1 min 1 s',
    '2 min 5 s',
  ]);
});

test('a home is worked on by one command at a time', async () => {
  await withHomeLock(
    directory,
    async () => {
      // Which one, and no option of it: those may hold a password.
      await expect(withHomeLock(directory, async () => {})).rejects.toThrow(
        `Another atoll command is at work on ${directory}: image add (pid ${process.pid}); wait`,
      );
    },
    'image add',
  );
  expect(await withHomeLock(directory, async () => 'free again')).toBe('free again');
});

test('the machine knows its homes, and the first value of what they changed', () => {
  const registry = join(directory, 'registry');
  expect(knownHomes(registry).size).toBe(0);
  writeFileAtomically(join(directory, 'config.json'), '{}');
  registerHome('a1b2', directory, registry);
  registerHome('dead', join(directory, 'gone'), registry);
  expect([...knownHomes(registry)]).toEqual([['a1b2', directory]]);
  recordShared({ sysctls: { x: 1 }, lxcfsPid: 7 }, registry);
  recordShared({ sysctls: { x: 5, y: 2 } }, registry);
  expect(readShared(registry)).toEqual({ sysctls: { x: 1, y: 2 }, lxcfsPid: 7 });
  unregisterHome('a1b2', registry);
  expect(knownHomes(registry).size).toBe(0);
});

test('what is evaluated by a shell is quoted', () => {
  expect(shellQuote('http://127.0.0.1:8080')).toBe('http://127.0.0.1:8080');
  expect(shellQuote(`it's $HOME`)).toBe(`'it'\\''s $HOME'`);
});

test('times to live have a unit', () => {
  expect([parseTtl('30d'), parseTtl('90m')]).toEqual([30 * 86_400_000, 90 * 60_000]);
  for (const wrong of ['', '30', 'd', '-1d', '0s', '1y']) expect(() => parseTtl(wrong)).toThrow(/--ttl/);
});

test('a timeline tells the time since its start', () => {
  const times = [100, 112.4, 1350];
  const timeline = createTimeline(() => times.shift() ?? 0);
  timeline.mark('accepted');
  timeline.mark('done');
  expect(formatTimeline(timeline.entries)).toBe('      12 ms  accepted\n    1250 ms  done');
});

test('doctor says which bytes are missing, where they belong, and what to do', () => {
  const since = new Date('2026-01-02T03:04:05Z');
  const printed = formatFindings(
    missingFindings('/home/volumes', [
      { kind: 'volume', id: 'a', name: 'data', since },
      { kind: 'volume snapshot', id: 'b', name: 'nightly', since },
      { kind: 'image', id: '7', name: 'golden', since, engineName: 'image-7' },
    ]),
  );
  expect(printed).toMatch(/no\s+volume\s.*a \(data\) have been missing since 2026-01-02T03:04:05/);
  expect(printed).toContain('bring /home/volumes/a.img back');
  expect(printed).toContain('bring /home/volumes/snapshots/b.img back');
  expect(printed).toContain('bring image-7 of Incus back');
});
