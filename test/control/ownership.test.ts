/** No resource is ever worked on twice at once, whatever happens to sessions, leases, rows and processes. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { claimGuard } from '../../src/control/guard.ts';
import { type ControlLoop, controlLoop, type LoopOptions, type Reconciler } from '../../src/control/loop.ts';
import { wake } from '../../src/control/reconcile.ts';
import { adminOf, type TestDatabase, testDatabase } from '../support/database.ts';
import { gate } from '../support/gate.ts';
import { until } from '../support/until.ts';
import { loopTable } from './loop-table.ts';

let database: TestDatabase;
const loops: ControlLoop[] = [];

beforeEach(async () => {
  database = await testDatabase();
});
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop(1000)));
  await database.drop();
});

async function start(
  reconcile: Reconciler['reconcile'],
  {
    lease = { ms: 5_000, goneMs: 1_000 },
    workers = 8,
    guard = claimGuard(),
    address = database.address,
  }: Partial<Pick<LoopOptions, 'lease' | 'workers' | 'guard' | 'address'>> = {},
): Promise<ControlLoop> {
  const loop = controlLoop({
    address,
    store: database.store,
    clock: systemClock,
    log: silentLog,
    reconcilers: [{ kind: 'thing', lane: 'quick', reconcile }],
    workers,
    random: Math.random,
    resyncMs: 50,
    lease,
    guard,
  });
  loops.push(loop);
  await loop.start();
  return loop;
}

const { query, row, wakeThing, isClean, sessions, terminate } = loopTable(() => database);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a loop whose session is terminated', () => {
  it('keeps what it works on, under the same number, and is told nothing', async () => {
    const held = gate();
    let runs = 0;
    let aborted = false;
    await start(async (_, { signal }) => {
      runs++;
      await held.opened;
      aborted = signal.aborted;
    });
    await wakeThing('a');
    await until(() => runs === 1);
    const before = await row('a');
    for (let times = 0; times < 3; times++) {
      const [pid = 0] = await sessions();
      await terminate(pid);
      await until(async () => (await sessions()).some((other) => other !== pid));
      // Several resyncs, each of which claims what is free.
      await pause(200);
    }
    expect(runs).toBe(1);
    expect(await row('a')).toMatchObject({ owner: before?.owner, claim: before?.claim });
    held.open();
    await until(() => isClean('a'));
    expect({ runs, aborted }).toEqual({ runs: 1, aborted: false });
  });

  it('has its runs aborted before another loop takes over, if it cannot connect again', async () => {
    const story: string[] = [];
    const admin = adminOf('socketDir' in database.address ? database.address.socketDir : '');
    const name = 'database' in database.address ? (database.address.database ?? '') : '';
    const over = gate();
    await start(async (_, { signal }) => {
      story.push('first begins');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      story.push('first is aborted');
      await over.opened;
    });
    const [pid = 0] = await sessions();
    await wakeThing('a');
    await until(() => story.length === 1);
    await start(async () => void story.push('second begins'));
    await admin(`alter database ${name} allow_connections false`);
    await admin(`select pg_terminate_backend(${pid})`);
    await until(() => story.length === 3);
    await admin(`alter database ${name} allow_connections true`);
    expect(story).toEqual(['first begins', 'first is aborted', 'second begins']);
    await until(() => isClean('a'));
    // Its run is not over yet: it may not begin another, though the resource is free.
    await loops[1]?.stop();
    await wakeThing('a');
    await until(async () => (await sessions()).length === 1);
    await pause(300);
    expect(story).toHaveLength(3);
    over.open();
    await until(() => story.length === 4);
  });
});

describe('a database whose wall clock is set', () => {
  /** As the table looks after the clock went forward by an hour, to all who compare it with now(). */
  const setForward = () => query("update loops set lease_until = lease_until - interval '1 hour'");

  it('takes nothing from a loop that lives', async () => {
    const held = gate();
    let runs = 0;
    const reconcile = async () => {
      runs++;
      await held.opened;
    };
    await start(reconcile, { lease: { ms: 10_000, goneMs: 1_500 } });
    await wakeThing('a');
    await until(() => runs === 1);
    const before = await row('a');
    // The next renewal of the first is up to half a second away; this one looks for dead loops at once.
    for (let times = 0; times < 3; times++) {
      await setForward();
      await start(reconcile, { lease: { ms: 10_000, goneMs: 1_500 } });
      await pause(200);
    }
    expect(runs).toBe(1);
    expect(await row('a')).toMatchObject({ owner: before?.owner, claim: before?.claim });
    held.open();
    await until(() => isClean('a'));
    expect(runs).toBe(1);
  });
});

it('claims nothing that it works on after it was taken for dead and before it knows', async () => {
  const held = gate();
  let runs = 0;
  // It renews every ten seconds.
  await start(
    async () => {
      runs++;
      await held.opened;
    },
    { lease: { ms: 60_000, goneMs: 30_000 } },
  );
  await wakeThing('a');
  await until(() => runs === 1);
  // What a reaper does.
  await query('delete from loops');
  await query('update reconcile set owner = null, claim = null');
  await wakeThing('a');
  // Several resyncs, each of which claims what is free.
  await pause(300);
  expect(runs).toBe(1);
  held.open();
});

it('lets nobody begin what a loop that has ended is still at, and that take no other step', async () => {
  const guard = claimGuard();
  const step = gate();
  const story: string[] = [];
  const world = guard.port({ step: async (name: string) => void story.push(name) });
  const first = await start(
    async () => {
      await world.step('first takes a step');
      await step.opened;
      await world.step('first takes another').catch(() => story.push('first may not'));
    },
    { guard },
  );
  await wakeThing('a');
  await until(() => story.length === 1);
  await start(async () => void story.push('second'));
  await first.stop(50);
  step.open();
  await until(() => story.includes('second'));
  expect(story).toEqual(['first takes a step', 'first may not', 'second']);
});

it('makes a new session where the database does not answer on the one it has', async () => {
  if (!('socketDir' in database.address)) throw new Error('a socket is needed');
  const { socketDir, ...rest } = database.address;
  const between = mkdtempSync(join(tmpdir(), 'atoll-between-'));
  const name = '.s.PGSQL.5432';
  // As a network that drops what is sent, and says nothing.
  const pairs: Socket[][] = [];
  const proxy = createServer((near) => {
    const far = connect(join(socketDir, name));
    pairs.push([near, far]);
    near.pipe(far).pipe(near);
    for (const each of [near, far]) each.on('error', () => {});
  });
  await once(proxy.listen(join(between, name)), 'listening');
  const ran: string[] = [];
  await start(async (id) => void ran.push(id), {
    address: { ...rest, socketDir: between },
    lease: { ms: 1_500, goneMs: 600 },
  });
  await wakeThing('a');
  await until(() => isClean('a'));
  const fallSilent = () => {
    for (const each of pairs.flat()) each.unpipe();
  };
  fallSilent();
  await wakeThing('b');
  await until(() => isClean('b'));
  expect(ran).toEqual(['a', 'b']);
  fallSilent();
  await loops.pop()?.stop();
  for (const each of pairs.flat()) each.destroy();
  proxy.close();
  rmSync(between, { recursive: true });
});

it('claims and renews while requests hold the rows of finished runs', async () => {
  const ran: string[] = [];
  const held = gate();
  await start(async (id) => {
    ran.push(id);
    await held.opened;
  });
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const id of ids) await wakeThing(id);
  await until(() => ran.length === ids.length);
  await database.store.transaction(async (tx) => {
    for (const id of ids) await wake(tx, 'thing', id, new Date());
    held.open();
    await pause(100);
    const before = await query<{ lease_until: Date }>('select lease_until from loops');
    await wakeThing('other');
    await until(() => isClean('other'));
    await until(async () => {
      const [loop] = await query<{ lease_until: Date }>('select lease_until from loops');
      return (loop?.lease_until ?? 0) > (before[0]?.lease_until ?? 0);
    });
    for (const id of ids) expect((await row(id))?.owner).not.toBeNull();
  });
  for (const id of ids) await until(() => isClean(id));
  expect(ran.toSorted()).toEqual([...ids, ...ids, 'other'].toSorted());
});

it.each(['finishes', 'fails'])(
  'loses no resource for ever when the end of a run that %s cannot be written',
  async (how) => {
    // As a constraint that a migration has brought, or a disk that is full for a while.
    await query(`create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'not now'; end $$`);
    await query(`create trigger refuse before update on reconcile for each row
    when (old.owner is not null and new.owner is null and new.id = 'a') execute function refuse()`);
    const ran: string[] = [];
    await start(async (id) => {
      ran.push(id);
      if (how === 'fails' && id === 'a' && ran.filter((each) => each === id).length === 1)
        throw new Error('no');
    });
    await wakeThing('a');
    await until(() => ran.includes('a'));
    await wakeThing('b');
    await until(() => isClean('b'));
    // Longer than it takes to give up writing the end.
    await pause(4_000);
    expect((await row('a'))?.owner).not.toBeNull();
    await query('drop trigger refuse on reconcile');
    await until(() => isClean('a'));
  },
);

it('leaves alone what it does not know', async () => {
  await start(async () => {});
  await wake(database.store.db, 'of a newer Atoll', 'x', new Date(Date.now() - 1000));
  await wakeThing('a');
  await until(() => isClean('a'));
  expect(await row('x')).toMatchObject({ done: 0, owner: null, claim: null });
});

it('does not write the end of a run whose claim another loop has taken over', async () => {
  const held = gate();
  let runs = 0;
  await start(async () => {
    if (++runs === 1) await held.opened;
    else throw new Error('not done');
  });
  await wakeThing('a');
  await until(() => runs === 1);
  // What a reaper and another loop would do.
  await query("insert into loops (owner, lease_until) values (7, now() + interval '1 min')");
  await query("update reconcile set owner = 7, claim = 1 where id = 'a'");
  held.open();
  await pause(300);
  expect(await row('a')).toMatchObject({ owner: 7, done: 0 });
});
