/** Golden images in the simulated mode: waits with their reasons, failures, newer packages, and what nobody uses. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { drivenClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import {
  askGolden,
  goldenDigest,
  goldenSource,
  needGolden,
  unaskGolden,
} from '../../src/cloud/golden/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { until } from '../support/until.ts';

const clock = drivenClock();
const minute = 60_000;
const day = 24 * 60 * minute;
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ clock, buildMs: 40_000, resyncMs: 20 });
});
afterAll(() => atoll.close());

const db = () => atoll.database.store.db;
const need = (name: string) => needGolden(db(), name, clock.now());
const rowOf = (name: string) =>
  db().selectFrom('golden_images').selectAll().where('name', '=', name).executeTakeFirstOrThrow();
const phase = (name: string, wanted: string) =>
  until(async () => (await rowOf(name)).phase === wanted, 10_000, `${name} is ${wanted}`);
const copies = async () => (await atoll.engine.listSnapshots()).map(({ name }) => name);
/** Lets time pass until a condition holds. */
async function pass(step: number, condition: () => Promise<boolean>, what: string): Promise<void> {
  await until(
    async () => {
      if (await condition()) return true;
      await clock.advance(step);
      return false;
    },
    20_000,
    what,
  );
}
const ready = (name: string) =>
  pass(1_000, async () => (await rowOf(name)).phase === 'ready', `${name} is ready`);

/** Nothing is there, nothing was ever wanted. */
beforeEach(async () => {
  await db().deleteFrom('golden_images').execute();
  for (const name of await copies()) await atoll.engine.deleteSnapshot(name);
});

describe('an image that something needs', () => {
  it('is waited for with the reason, and can be had then', async () => {
    expect(await goldenSource(db(), 'edge')).toEqual({ waiting: 'the image edge is waiting to be built' });
    await need('edge');
    await pass(200, async () => (await rowOf('edge')).message !== '', 'the build says what it does');
    await clock.advance(5_000);
    expect(await goldenSource(db(), 'edge', clock.now())).toEqual({
      waiting: expect.stringMatching(/^the image edge is being built: installing packages, for \d+ s$/),
    });
    expect(await goldenDigest(db(), 'edge')).toBeUndefined();
    await ready('edge');
    const digest = await goldenDigest(db(), 'edge');
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
    expect(await goldenSource(db(), 'edge')).toEqual({
      source: { snapshot: `golden-edge-${digest}` },
      digest,
    });
    expect(await copies()).toEqual([`golden-edge-${digest}`]);
  });
});
