/** Machines that serve a product survive kill -9 at every moment of their plan, and ends in the same world. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  desire,
  removeMachine,
  resizeMachine,
  restartMachine,
  setPower,
} from '../../src/cloud/machines/index.ts';
import type { Tx } from '../../src/store/store.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { machineDeps, machineRoles, orderKeeper } from '../support/machines.ts';
import { until } from '../support/until.ts';
import { crashPoint, expectSurvival, idle } from './crash-harness.ts';

const point = crashPoint();
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ wrap: point.wrap, machineRoles });
});
afterAll(() => atoll.close());

const at = () => new Date();
const asked = (work: (tx: Tx) => Promise<unknown>) => atoll.database.store.transaction(work);

interface Scenario {
  name: string;
  /** What is asked of a machine that is there; absent: that it be there. */
  ask?(id: number): Promise<unknown>;
  /** That it has come to its end, where nothing is dirty before it has begun. */
  ends?(id: number): Promise<boolean>;
  calls: number;
}

const scenarios: Scenario[] = [
  { name: 'an order', calls: 5 },
  {
    name: 'another desire',
    ask: (id) => asked((tx) => desire(tx, machineDeps(atoll), id, { word: 'other' }, at())),
    calls: 3,
  },
  { name: 'a restart', ask: (id) => asked((tx) => restartMachine(tx, id, at())), calls: 5 },
  {
    name: 'its end by itself',
    ask: (id) => atoll.world.stopBehindOurBack(`machine-${id}`),
    // What was seen of it dies with the process; the next one's first sweep sees it again.
    ends: async (id) => (await atoll.compute.get(`machine-${id}`))?.state === 'running',
    calls: 4,
  },
  { name: 'turning it off', ask: (id) => asked((tx) => setPower(tx, id, 'off', at())), calls: 3 },
  {
    name: 'a resize',
    ask: (id) => asked((tx) => resizeMachine(tx, id, { vcpus: 2, memoryMib: 1024, diskGib: 20 }, at())),
    calls: 3,
  },
  { name: 'its removal', ask: (id) => asked((tx) => removeMachine(tx, id, at())), calls: 4 },
];

describe('kill -9 of the control plane at every moment', () => {
  it.each(scenarios)('in $name', async ({ ask, calls, ends }) => {
    // Of a kind that has nothing to do about it.
    const owner = { urn: 'do:keeper:1', kind: 'volume', id: '00000000-0000-4000-8000-000000000000' };
    const order = () => orderKeeper(atoll, 'word', { owner });
    await expectSurvival<number, number>({
      point,
      atoll,
      calls,
      gateCount: 6,
      prepare: () => (ask ? order() : Promise.resolve(0)),
      async ask(prepared) {
        if (!ask) return order();
        await ask(prepared);
        return prepared;
      },
      async world(_, id) {
        if (ends) await until(() => ends(id));
        await idle(atoll);
        return world(id);
      },
    });
  });

  it('has taken every step there is', () => {
    expect([...point.taken].filter((step) => step.startsWith('machine: ')).toSorted()).toEqual(
      [
        'converge',
        'count-restart',
        'create',
        'delete',
        'ensure-network',
        'mark-boot',
        'note-made',
        'publish',
        'resize',
        'start',
        'stop',
        'withdraw',
      ].map((step) => `machine: ${step}`),
    );
  });
});

/** What can be seen of a machine, which is removed then. */
async function world(id: number) {
  const row = await atoll.database.store.db
    .selectFrom('machines')
    .select(['status', 'reason', 'power', 'generation', 'applied_generation', 'observed', 'gone_at', 'boot'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const { observed, gone_at, applied_generation, generation, boot, ...seen } = row;
  const instance = await atoll.compute.get(`machine-${id}`);
  const seenOnHost = (await atoll.host.published(id)) !== undefined;
  const { rows } = await atoll.database.store.pool.query(
    'select count(*)::int as n from addresses where owner = $1',
    [`do:machine:${id}`],
  );
  if (!gone_at) {
    await asked((tx) => removeMachine(tx, id, at()));
    await idle(atoll);
  }
  return {
    ...seen,
    // One that was marked and not yet started counts as one that has stopped by itself.
    isOfThisBoot: instance?.boot === boot,
    isDone: applied_generation === generation,
    // How often it was told depends on where it was killed.
    kept: (observed as { kept: string } | null)?.kept,
    isGone: gone_at !== null,
    instance: instance && { ...instance, boot: 0, run: '', name: '', urn: '' },
    seenOnHost,
    addresses: rows[0].n,
  };
}
