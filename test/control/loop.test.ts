import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { silentLog } from '../../src/base/log.ts';
import { type ControlLoop, controlLoop, type Reconciler } from '../../src/control/loop.ts';
import { wake } from '../../src/control/reconcile.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { gate } from '../support/gate.ts';
import { until } from '../support/until.ts';

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
  { workers = 4, resyncMs = 50, clock = systemClock } = {},
): Promise<ControlLoop> {
  const loop = controlLoop({
    address: database.address,
    clock,
    log: silentLog,
    store: database.store,
    reconcilers: [{ kind: 'thing', lane: 'quick', reconcile }],
    workers,
    random: Math.random,
    resyncMs,
    lease: { ms: 5_000, goneMs: 300 },
  });
  loops.push(loop);
  await loop.start();
  return loop;
}

const wakeThing = (id: string) => wake(database.store.db, 'thing', id, new Date());
const row = (id: string) =>
  database.store.db.selectFrom('reconcile').selectAll().where('id', '=', id).executeTakeFirst();
const clean = async (id: string) => {
  const found = await row(id);
  return found !== undefined && found.done === found.wanted && found.owner === null;
};

it('runs soon what was woken, waited or failed before the wall clock was set back', async () => {
  let behindMs = 0;
  const clock: Clock = { ...systemClock, now: () => new Date(Date.now() - behindMs) };
  const ran: string[] = [];
  await start(
    async (id) => {
      const times = ran.filter((each) => each === id).length;
      ran.push(id);
      if (id === 'scheduled') return { again: new Date(clock.now().getTime() + 90_000) };
      if (times > 0) return;
      if (id === 'fails') throw new Error('once');
      if (id === 'waits') throw new EngineError('busy', 'once');
    },
    { clock },
  );
  const ids = ['fails', 'waits', 'scheduled'];
  for (const id of ids) await wake(database.store.db, 'thing', id, clock.now());
  await until(() => ids.every((id) => ran.includes(id)));
  await wake(database.store.db, 'thing', 'woken', clock.now());
  behindMs = 3_600_000;
  for (const id of ['fails', 'waits', 'woken']) await until(() => clean(id));
  expect(ran.filter((id) => id === 'scheduled')).toHaveLength(1);
});

it('counts a run that failed with what the database does not take', async () => {
  const attempts: number[] = [];
  await start(async (_, run) => {
    attempts.push(run.attempts);
    if (run.attempts === 0) throw new Error('it said: \0');
  });
  await wakeThing('a');
  await until(() => clean('a'));
  expect(attempts).toEqual([0, 1]);
});

it('has no more runs of a kind in the slow lane than that may have, when those come that waited for it', async () => {
  let atOnce = 0;
  let most = 0;
  const held = gate();
  const loop = controlLoop({
    address: database.address,
    clock: systemClock,
    log: silentLog,
    store: database.store,
    reconcilers: [
      {
        kind: 'thing',
        lane: 'quick',
        mostSlow: 2,
        async reconcile(_, { slow }) {
          slow();
          most = Math.max(most, ++atOnce);
          await held.opened;
          atOnce--;
        },
      },
    ],
    workers: 8,
    slowWorkers: 8,
    random: Math.random,
    resyncMs: 50,
  });
  loops.push(loop);
  await loop.start();
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const id of ids) await wakeThing(id);
  const waiting = () => database.store.db.selectFrom('reconcile').where('lane', '=', 'slow');
  await until(async () => (await waiting().select('id').where('owner', 'is', null).execute()).length === 4);
  held.open();
  for (const id of ids) await until(() => clean(id));
  expect(most).toBe(2);
});

describe('the control loop', () => {
  it('runs a woken resource and marks it done', async () => {
    const ran: string[] = [];
    await start(async (id) => void ran.push(id));
    await wakeThing('a');
    await until(() => clean('a'));
    expect(ran).toEqual(['a']);
  });

  it('collapses many wakes, never runs one resource twice at once, and runs once more for a wake during a run', async () => {
    const held = gate();
    let runs = 0;
    let atOnce = 0;
    let most = 0;
    await start(async () => {
      runs++;
      most = Math.max(most, ++atOnce);
      await held.opened;
      atOnce--;
    });
    await wakeThing('a');
    await until(() => runs === 1);
    for (let n = 0; n < 10; n++) await wakeThing('a');
    held.open();
    await until(() => clean('a'));
    expect({ runs, most }).toEqual({ runs: 2, most: 1 });
  });

  it('tries again after a failure and keeps the reason meanwhile', async () => {
    let runs = 0;
    const reasons: unknown[] = [];
    await start(async (id, { attempts }) => {
      reasons.push((await row(id))?.last_error ?? null);
      runs++;
      if (attempts < 1) throw new Error('not yet');
    });
    await wakeThing('a');
    await until(() => clean('a'));
    expect(runs).toBe(2);
    expect(reasons).toEqual([null, 'not yet']);
    expect(await row('a')).toMatchObject({ attempts: 0, last_error: null });
  });

  it('counts the failures of one that is seen to change in each of its runs, and pauses between them', async () => {
    const begun: number[] = [];
    const loop = await start(async (id, { attempts }) => {
      begun.push(Date.now());
      if (attempts === 2) return;
      await loop.nudge('thing', id);
      throw new Error('not yet');
    });
    await wakeThing('a');
    await until(() => clean('a'));
    const [first = 0, second = 0, third = 0] = begun;
    expect(begun).toHaveLength(3);
    expect(second - first).toBeGreaterThanOrEqual(200);
    expect(third - second).toBeGreaterThanOrEqual(400);
  });

  it('does not count it as a failure to have waited', async () => {
    const seen: number[] = [];
    const errors = [new EngineError('unavailable', 'away'), new EngineError('busy', 'held'), new Error('no')];
    await start(async (_, { attempts }) => {
      seen.push(attempts);
      const error = errors.shift();
      if (error) throw error;
    });
    await wakeThing('a');
    await until(() => clean('a'));
    expect(seen).toEqual([0, 0, 0, 1]);
  });

  it('runs for what is seen between runs, and once more for what is seen after the last observation of a run', async () => {
    let runs = 0;
    const loop = await start(async (id, { observing }) => {
      observing();
      if (++runs === 2) await loop.nudge('thing', id);
    });
    await loop.nudge('thing', 'a');
    await until(() => clean('a'));
    expect(runs).toBe(1);
    await loop.nudge('thing', 'a');
    await until(() => runs === 3);
    await until(() => clean('a'));
    expect(runs).toBe(3);
  });

  it('needs no other run for what is seen before the last observation of a run', async () => {
    let runs = 0;
    const loop = await start(async (id, { observing }) => {
      runs++;
      observing();
      await loop.nudge('thing', id);
      observing();
    });
    await wakeThing('a');
    await until(() => clean('a'));
    expect(runs).toBe(1);
    expect((await row('a'))?.wanted).toBe(1);
  });

  it('runs for what is seen by a loop that does not run it, though another one does', async () => {
    let runs = 0;
    const held = gate();
    await start(async (_, { observing }) => {
      runs++;
      await held.opened;
      observing();
    });
    await wakeThing('a');
    await until(() => runs === 1);
    const other = await start(async () => void runs++);
    await other.nudge('thing', 'a');
    held.open();
    await until(() => clean('a'));
    expect(runs).toBe(2);
  });

  it('looks again when a reconciler asks for it, and forgets what is gone', async () => {
    let runs = 0;
    await start(async () => (++runs < 3 ? { again: new Date(Date.now() + 10) } : { forget: true }));
    await wakeThing('a');
    await until(async () => (await row('a')) === undefined);
    expect(runs).toBe(3);
  });

  it('hears of commits at once, and tells the other loops, without waiting for a resync', async () => {
    const held = gate();
    const ran: string[] = [];
    const startOne = (name: string) =>
      start(
        async (id) => {
          ran.push(`${name} has ${id}`);
          await held.opened;
        },
        { workers: 1, resyncMs: 1e9 },
      );
    const first = await startOne('first');
    await startOne('second');
    database.store.onWrite(first.poll);
    await wakeThing('a');
    await until(() => ran.length === 1);
    // Who has it is busy: the other one takes the next.
    await wakeThing('b');
    await until(() => ran.length === 2);
    held.open();
    expect([...ran].sort()).toEqual(
      ran[0] === 'first has a' ? ['first has a', 'second has b'] : ['first has b', 'second has a'],
    );
  });

  it('takes over at once what a killed loop held', async () => {
    const never = new Promise<void>(() => {});
    let begun = 0;
    const first = await start(async () => {
      begun++;
      await never;
    });
    for (const id of ['a', 'b', 'c']) await wakeThing(id);
    await until(() => begun === 3);
    first.kill();
    loops.splice(0);
    const ran: string[] = [];
    await start(async (id) => void ran.push(id));
    await until(async () => (await clean('a')) && (await clean('b')) && (await clean('c')));
    expect(ran.sort()).toEqual(['a', 'b', 'c']);
  });

  it('shares the work of one database among loops without doing any of it twice', async () => {
    const ran: string[] = [];
    const reconcile = async (id: string) => void ran.push(id);
    await start(reconcile, { workers: 2 });
    await start(reconcile, { workers: 2 });
    const ids = Array.from({ length: 60 }, (_, n) => `r${n}`);
    await database.store.transaction(async (tx) => {
      for (const id of ids) await wake(tx, 'thing', id, new Date());
    });
    await until(async () => {
      const dirty = await database.store.db
        .selectFrom('reconcile')
        .select('id')
        .whereRef('done', '<', 'wanted')
        .execute();
      return dirty.length === 0;
    });
    expect(ran.sort()).toEqual(ids.sort());
  });

  it('finishes what is under way when it is stopped, and takes nothing new', async () => {
    const held = gate();
    const ran: string[] = [];
    const loop = await start(
      async (id) => {
        await held.opened;
        ran.push(id);
      },
      { workers: 1 },
    );
    await wakeThing('a');
    await until(async () => (await row('a'))?.owner !== null);
    await wakeThing('b');
    const stopping = loop.stop();
    held.open();
    await stopping;
    expect(ran).toEqual(['a']);
    expect(await clean('a')).toBe(true);
    expect(await row('b')).toMatchObject({ done: 0, owner: null });
  });
});
