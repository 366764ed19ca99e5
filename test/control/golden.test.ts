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
import { simulatedContext } from '../support/simulated-context.ts';
import { idle, seldom } from '../support/time.ts';
import { until } from '../support/until.ts';

const clock = drivenClock();
const minute = 60_000;
const day = 24 * 60 * minute;
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ clock, buildMs: 40_000, ...seldom });
});
afterAll(() => atoll.close());

const db = () => atoll.database.store.db;
const need = (name: string) => needGolden(db(), name, clock.now());
const rowOf = (name: string) =>
  db().selectFrom('golden_images').selectAll().where('name', '=', name).executeTakeFirstOrThrow();
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
const ask = (name: string) => atoll.database.store.transaction((tx) => askGolden(tx, [name], clock.now()));
/** The builder's image of before is of no use any more: the next need is a build. */
async function outdate(name: string): Promise<void> {
  atoll.builder.forget(name);
}
const settled = () => idle(atoll.database, clock);
const ready = (name: string) =>
  pass(1_000, async () => (await rowOf(name)).phase === 'ready', `${name} is ready`);

/** Nothing is there, nothing was ever wanted, nothing was ever built. */
beforeEach(async () => {
  for (const name of ['edge', 'database', 'debian-13']) atoll.builder.forget(name);
  await settled();
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

  it('wakes those who wait for it when it is there', async () => {
    const due = new Date(clock.now().getTime() + day);
    const waits = (kind: string, waiting_for: string) =>
      db()
        .insertInto('reconcile')
        .values({ kind, id: '1', due, wanted: 1, waits: 9, waiting_for, waiting_since: clock.now() })
        .execute();
    await waits('elsewhere', 'busy: the image database is being built: packing, for 3 s');
    await waits('others', 'busy: the image edge is being built: packing, for 3 s');
    await need('database');
    await ready('database');
    const dueOf = async (kind: string) =>
      (await db().selectFrom('reconcile').select('due').where('kind', '=', kind).executeTakeFirstOrThrow())
        .due;
    expect((await dueOf('elsewhere')).getTime()).toBeLessThanOrEqual(clock.now().getTime());
    expect(await dueOf('others')).toEqual(due);
    await db().deleteFrom('reconcile').where('id', '=', '1').execute();
  });

  it('says why it cannot be had, is tried again by itself, and works then', async () => {
    atoll.builder.fail('database', 'E: no haproxy. Try apt-get update', 2);
    await outdate('database');
    await need('database');
    await pass(1_000, async () => (await rowOf('database')).phase === 'failed', 'it failed');
    expect(await goldenSource(db(), 'database')).toEqual({
      failed: 'The image database could not be made: E: no haproxy. Try apt-get update',
    });
    expect(await rowOf('database')).toMatchObject({ tries: 1 });
    await pass(5_000, async () => (await rowOf('database')).tries === 2, 'it failed again');
    await ready('database');
    expect(await rowOf('database')).toMatchObject({ tries: 0, retry_at: null, message: '' });
  });

  it('is given up after half an hour, and tried again later', async () => {
    const begun = atoll.builder.begun.get('debian-13') ?? 0;
    atoll.builder.delay('debian-13', 50 * minute);
    await need('debian-13');
    // As it was then: the next try may begin at once.
    let failed = await rowOf('debian-13');
    const givenUp = async () => (failed = await rowOf('debian-13')).phase === 'failed';
    await pass(60_000, givenUp, 'it was given up');
    const { since, message } = failed;
    expect(message).toContain('half an hour');
    expect(atoll.builder.begun.get('debian-13')).toBe(begun + 1);
    expect(since.getTime()).toBeGreaterThan(0);
    await ready('debian-13');
  });

  it('is waited for while the builder is away', async () => {
    atoll.builder.unavailable(true);
    await need('edge');
    await clock.advance(5_000);
    expect(await goldenSource(db(), 'edge')).toEqual({ waiting: 'the image edge is waiting to be built' });
    atoll.builder.unavailable(false);
    await ready('edge');
  });

  it('says so where the engine has no room', async () => {
    atoll.world.fail('unpackImage', new EngineError('exhausted', 'secret detail of the engine'));
    await need('edge');
    await pass(1_000, async () => (await rowOf('edge')).phase === 'failed', 'it failed');
    const { message } = await rowOf('edge');
    expect(message).toMatch(/no room/);
    expect(message).not.toContain('secret');
    await ready('edge');
  });
});

describe('in the course of weeks', () => {
  it('is built anew when its packages have updates, while the old one serves', async () => {
    await ask('edge');
    await ready('edge');
    const before = await rowOf('edge');
    const begun = atoll.builder.begun.get('edge') ?? 0;
    await clock.advance(6 * day);
    atoll.builder.publish();
    expect(atoll.builder.begun.get('edge') ?? 0).toBe(begun);
    await pass(6 * 3_600_000, async () => (await rowOf('edge')).phase === 'building', 'it is built anew');
    expect(await goldenDigest(db(), 'edge')).toBe(before.digest);
    expect(await goldenSource(db(), 'edge')).toMatchObject({ digest: before.digest });
    await ready('edge');
    const after = await rowOf('edge');
    expect(after.digest).not.toBe(before.digest);
    expect(after.outdated).toBeNull();
    await until(async () => (await copies()).length === 1, 10_000, 'the old one is gone');
    expect(await copies()).toEqual([`golden-edge-${after.digest}`]);
    expect(atoll.builder.begun.get('edge')).toBe(begun + 1);
  });

  it('serves on when the newer one cannot be built', async () => {
    await ask('edge');
    await ready('edge');
    const { digest } = await rowOf('edge');
    atoll.builder.publish();
    // More than once: a try that fails may pass between two looks.
    atoll.builder.fail('edge', 'E: the mirror is broken', 3);
    await pass(6 * 3_600_000, async () => (await rowOf('edge')).phase === 'failed', 'it failed');
    expect(await goldenSource(db(), 'edge')).toMatchObject({ digest });
    await ready('edge');
    expect((await rowOf('edge')).digest).not.toBe(digest);
  });

  it('goes when nothing has needed it for a week, and comes again when something does', async () => {
    await need('edge');
    await ready('edge');
    await pass(12 * 3_600_000, async () => (await rowOf('edge')).phase === 'unused', 'it is not kept');
    expect(await copies()).toEqual([]);
    expect(await goldenDigest(db(), 'edge')).toBeUndefined();
    await need('edge');
    await ready('edge');
    expect(await copies()).toHaveLength(1);
  });

  it('stays where the operator has asked for it, until the operator lets it go', async () => {
    await ask('edge');
    await ready('edge');
    await clock.advance(30 * day);
    await settled();
    expect((await rowOf('edge')).digest).not.toBeNull();
    await atoll.database.store.transaction((tx) => unaskGolden(tx, ['edge'], clock.now()));
    await pass(1_000, async () => (await rowOf('edge')).phase === 'unused', 'it is not kept');
    expect(await copies()).toEqual([]);
  });
});

describe('a home that is brought up again', () => {
  afterAll(() => atoll.restart());

  it('puts its images in anew where what it adds to them is another certificate', async () => {
    await ask('edge');
    await ready('edge');
    await settled();
    const before = await goldenDigest(db(), 'edge');
    const diskAdditions = [{ path: '/etc/authority.pem', content: 'another' }];
    await atoll.restart({ context: { ...simulatedContext, diskAdditions } });
    await pass(1_000, async () => (await goldenDigest(db(), 'edge')) !== before, 'it is put in anew');
    await ready('edge');
    const after = await goldenDigest(db(), 'edge');
    await pass(1_000, async () => (await copies()).length === 1, 'the one of before is gone');
    expect(await copies()).toEqual([`golden-edge-${after}`]);
  });
});

describe('the sweep', () => {
  it('removes copies of other digests, quarantines what no row knows, and has a lost one made again', async () => {
    await ask('edge');
    await ready('edge');
    const { digest } = await rowOf('edge');
    const image = { file: '', bytes: 1, additions: [] };
    const old = 'golden-edge-0000000000000000';
    const strange = 'golden-unknown-0000000000000000';
    await atoll.engine.unpackImage({ urn: 'do:golden:edge', name: old }, image);
    await atoll.engine.unpackImage({ urn: 'do:golden:unknown', name: strange }, image);
    await atoll.engine.deleteSnapshot(`golden-edge-${digest}`);
    // A copy whose making was killed before this home wanted another one.
    await atoll.engine.importImage('golden-edge-1111111111111111', '');
    await atoll.restart();
    await pass(
      1_000,
      async () => (await copies()).toSorted().join() === [strange, `golden-edge-${digest}`].toSorted().join(),
      'the engine has what is wanted, and the stranger',
    );
    expect((await atoll.engine.images()).filter((name) => name.startsWith('golden-'))).toEqual([]);
    const quarantined = await db().selectFrom('quarantined').select('name').execute();
    expect(quarantined).toEqual([{ name: strange }]);
    await atoll.engine.deleteSnapshot(strange);
  });
});
