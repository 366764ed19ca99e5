/** Loops in processes of their own: no resource is worked on twice at once, whichever of them is stopped or killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';
import { loopTable } from './loop-table.ts';

let database: TestDatabase;
const children: ChildProcess[] = [];
const { query, wakeThing, isClean, sessions, terminate } = loopTable(() => database);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await database.drop();
});

const leaseMs = 1_500;

beforeEach(async () => {
  database = await testDatabase();
  await query(`create table told (n bigint generated always as identity primary key, process text, id text,
    what text, at timestamptz not null default clock_timestamp())`);
  await query('create table gates (id text primary key)');
});

async function startProcess(name: string): Promise<ChildProcess> {
  if (!('socketDir' in database.address)) throw new Error('a socket is needed');
  const { socketDir, database: databaseName = '' } = database.address;
  const script = join(import.meta.dirname, 'loop-process.ts');
  const child = spawn(process.execPath, [script, socketDir, databaseName, name, String(leaseMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

interface Event {
  n: number;
  process: string;
  id: string;
  what: string;
}
const events = (where = 'true') => query<Event>(`select * from told where ${where} order by n`);
const lastEvent = async () => (await events()).at(-1)?.n ?? 0;
const happened = (where: string) => until(async () => (await events(where)).length > 0);

it('a process that was stopped while its lease ran out does nothing more when it wakes', async () => {
  const first = await startProcess('first');
  await wakeThing('a');
  await happened("what = 'step'");
  const second = await startProcess('second');
  first.kill('SIGSTOP');
  await happened("process = 'second' and what = 'step'");
  const n = await lastEvent();
  first.kill('SIGCONT');
  await happened("process = 'first' and what = 'aborted'");
  await pause(300);
  expect(await events(`process = 'first' and n > ${n} and what <> 'aborted'`)).toEqual([]);
  expect((await events("what = 'begin'")).map(({ process }) => process)).toEqual(['first', 'second']);
  await query("insert into gates values ('a')");
  await until(() => isClean('a'));
  expect((await events("what = 'end'")).map(({ process }) => process)).toEqual(['second']);
  // It is a loop as any other again.
  second.kill('SIGKILL');
  await wakeThing('b');
  await happened("process = 'first' and id = 'b' and what = 'begin'");
});

it('a process that was stopped while its session was terminated does nothing more, either', async () => {
  const first = await startProcess('first');
  const [pid = 0] = await sessions();
  await wakeThing('a');
  await happened("what = 'step'");
  await startProcess('second');
  first.kill('SIGSTOP');
  await terminate(pid);
  // Before its lease runs out: its lock is missed.
  await happened("process = 'second' and what = 'step'");
  const n = await lastEvent();
  first.kill('SIGCONT');
  await happened("process = 'first' and what = 'aborted'");
  expect(await events(`process = 'first' and n > ${n} and what <> 'aborted'`)).toEqual([]);
});

it('share the work though sessions are terminated and one of them is killed', async () => {
  const ids = Array.from({ length: 24 }, (_, n) => `r${n}`);
  const [first] = await Promise.all([startProcess('first'), startProcess('second')]);
  for (const id of ids) await wakeThing(id);
  for (const [index, id] of ids.entries()) {
    await query('insert into gates values ($1)', [id]);
    if (index % 4 === 0) for (const pid of await sessions()) await terminate(pid);
    if (index === 12) first.kill('SIGKILL');
    await pause(30);
  }
  for (const id of ids) await until(() => isClean(id));
  // What it sent before it died may be written after.
  const killedAt = (await events("process = 'first'")).at(-1)?.n ?? 0;
  for (const id of ids) {
    const story = await events(`id = '${id}' and what <> 'step'`);
    let running: string | undefined;
    for (const { n, process, what } of story) {
      if (n > killedAt && running === 'first') running = undefined;
      // Where the machine stalls for longer than a lease, the other takes over, and whose run was lost says so later.
      if (what === 'begin') expect(running, JSON.stringify(story)).not.toBe(process);
      else if (what === 'end') expect(running, JSON.stringify(story)).toBe(process);
      if (what === 'begin') running = process;
      else if (running === process) running = undefined;
    }
    expect(story.at(-1)?.what).toBe('end');
  }
});
