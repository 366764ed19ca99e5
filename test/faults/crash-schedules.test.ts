/** Crashes in the middle of what happens by the clock: backups, and autoscale pools. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, type DrivenClock, drivenClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { autoscaleReconciler } from '../../src/cloud/autoscale/index.ts';
import { beginsAt } from '../../src/cloud/backups/index.ts';
import type { AroundStep } from '../../src/control/converge.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { amount, seed } from '../support/campaign.ts';
import { order } from '../support/droplets.ts';
import { undisturbedRun } from '../support/run.ts';
import { simulatedContext } from '../support/simulated-context.ts';
import { idle, pass, seldom } from '../support/time.ts';
import { crashAfter, crashPoint } from './crash-harness.ts';

const point = crashPoint();
let clock: DrivenClock;
let atoll: TestAtoll;
afterEach(() => atoll.close());

async function start() {
  clock = drivenClock();
  atoll = await startAtoll({ clock, ...seldom, wrap: point.wrap });
}

/** As `crashAfter`, and waits until all is done. */
function crash(n: number) {
  const crashed = crashAfter(point, atoll, n);
  return async () => {
    const came = await crashed();
    await idle(atoll.database, clock);
    return came;
  };
}

const pool = (count: number) => ({
  name: 'web',
  config: { target_number_instances: count },
  droplet_template: { region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64', ssh_keys: [] },
});
const root = '/v2/droplets/autoscale';
const members = async (id: string) =>
  (await atoll.api.expect(200, 'GET', `${root}/${id}/members?per_page=200`)).droplets;
const history = async (id: string) =>
  (await atoll.api.expect(200, 'GET', `${root}/${id}/history`)).history.map(
    ({ desired_instance_count: count, status }: Record<string, unknown>) =>
      `${String(count)} ${String(status)}`,
  );

describe('kill -9 after engine calls', () => {
  it('of a backup: one backup, and its action completed', async () => {
    await start();
    for (let n = 1; ; n++) {
      const { droplet } = await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, backups: true });
      await idle(atoll.database, clock);
      const path = `/v2/droplets/${droplet.id}`;
      const { policy } = await atoll.api.expect(200, 'GET', `${path}/backups/policy`);
      const begins = beginsAt(new Date(policy.next_backup_window.start), droplet.id);
      await pass(atoll.database, clock, begins.getTime() - clock.now().getTime() - 1000);
      const crashed = crash(n);
      await pass(atoll.database, clock, 30_000);
      const done = !(await crashed());
      expect((await atoll.api.expect(200, 'GET', `${path}/backups`)).backups, `after call ${n}`).toHaveLength(
        1,
      );
      const { actions } = await atoll.api.expect(200, 'GET', `${path}/actions`);
      expect(actions[0]).toMatchObject({ type: 'backup', status: 'completed' });
      expect(actions).toHaveLength(2);
      expect(atoll.world.snapshots.size).toBe(1);
      await atoll.api.expect(204, 'DELETE', path);
      await idle(atoll.database, clock);
      expect(atoll.world.snapshots.size).toBe(0);
      if (done) {
        expect(n).toBeGreaterThan(2);
        break;
      }
    }
  });

  it('of a pool that grows and shrinks: never a member too many or too few', async () => {
    await start();
    const step = amount({ gate: 6, campaign: 1 });
    for (let n = 1 + (seed % step); ; n += step) {
      const crashed = crash(n);
      const { autoscale_pool } = await atoll.api.expect(202, 'POST', root, pool(3));
      const { id } = autoscale_pool;
      await idle(atoll.database, clock);
      await atoll.api.expect(200, 'PUT', `${root}/${id}`, pool(1));
      await idle(atoll.database, clock);
      const done = !(await crashed());
      await pass(atoll.database, clock, 120_000);
      expect(await members(id), `after call ${n}`).toHaveLength(1);
      expect(atoll.world.machines.size).toBe(1);
      expect((await history(id))[0]).toBe('1 success');
      await atoll.api.expect(202, 'DELETE', `${root}/${id}/dangerous`, undefined, { 'x-dangerous': 'true' });
      await idle(atoll.database, clock);
      expect(atoll.world.machines.size).toBe(0);
      if (done) break;
    }
  });
});

/** A pool that no loop works on, of so many members; answers its id. */
async function newPool(count: number): Promise<string> {
  const { db } = atoll.database.store;
  const { teamId: team_id, userId: user_id } = atoll.team;
  const token = await db
    .selectFrom('tokens')
    .select('id')
    .where('team_id', '=', team_id)
    .executeTakeFirstOrThrow();
  const { id } = await db
    .insertInto('autoscale_pools')
    .values({
      team_id,
      user_id,
      token_id: token.id,
      name: 'web',
      config: JSON.stringify({ target_number_instances: count }),
      template: JSON.stringify({ ...pool(count).droplet_template, name: '', tags: [], ipv6: false }),
      created_at: clock.now(),
      updated_at: clock.now(),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** One run of a pool's reconciler. */
const runPool = (id: string, time: Clock) =>
  autoscaleReconciler({
    store: atoll.database.store,
    secrets: atoll.keys.secrets,
    clock: time,
    log: silentLog,
    compute: atoll.compute,
    context: simulatedContext,
  }).reconcile(id, undisturbedRun());

const membersOf = (id: string) =>
  atoll.database.store.db
    .selectFrom('droplets')
    .select('id')
    .where('autoscale_pool_id', '=', id)
    .where('deleted_at', 'is', null)
    .execute();

it('a pool that dies between any two of its own steps ends with what was asked for, in one event', async () => {
  await start();
  const { store } = atoll.database;
  // Nobody else works on it meanwhile.
  atoll.plane.kill();
  for (let n = 1; ; n++) {
    const id = await newPool(12);
    /** Each look at the clock stands before a step: the n-th is its last. */
    let looks = 0;
    const dying: Clock = {
      ...clock,
      now() {
        if (++looks === n) throw new Error('killed');
        return clock.now();
      },
    };
    const run = (time: Clock) => runPool(id, time);
    const survived = await run(dying).then(
      () => true,
      () => false,
    );
    await run(clock);
    await run(clock);
    const made = await membersOf(id);
    expect(made, `killed before step ${n}`).toHaveLength(12);
    const events = await store.db
      .selectFrom('autoscale_history')
      .select('desired_instance_count')
      .where('pool_id', '=', id)
      .execute();
    expect(events).toEqual([{ desired_instance_count: 12 }]);
    if (survived) {
      expect(n).toBeGreaterThan(5);
      break;
    }
  }
});

it('a pool that several runs work on at once has no more members than it should', async () => {
  await start();
  atoll.plane.kill();
  const id = await newPool(12);
  await Promise.all(Array.from({ length: 4 }, () => runPool(id, clock)));
  await runPool(id, clock);
  expect(await membersOf(id)).toHaveLength(12);
});

it.each(['dismiss', 'remove'])(
  'a pool that is deleted just before it would %s a member leaves it alone',
  async (last) => {
    let armed = '';
    const aroundStep: AroundStep = async (kind, step, take) => {
      if (armed && kind === 'autoscale' && (step as { do: string }).do === last) {
        const path = `${root}/${armed}`;
        armed = '';
        await atoll.api.expect(202, 'DELETE', path);
      }
      return take();
    };
    clock = drivenClock();
    atoll = await startAtoll({ clock, ...seldom, wrap: { aroundStep: () => aroundStep } });
    const { id } = (await atoll.api.expect(202, 'POST', root, pool(2))).autoscale_pool;
    await pass(atoll.database, clock, 60_000);
    armed = id;
    await atoll.api.expect(200, 'PUT', `${root}/${id}`, pool(1));
    await pass(atoll.database, clock, 60_000);
    expect(armed).toBe('');
    const { droplets } = await atoll.api.expect(200, 'GET', '/v2/droplets');
    expect(droplets.map(({ status }: { status: string }) => status)).toEqual([
      last === 'dismiss' ? 'active' : 'off',
      'active',
    ]);
  },
);
