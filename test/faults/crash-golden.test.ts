/** Crashes in the middle of what happens to golden images: they are built, put into the engine, replaced and let go. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drivenClock } from '../../src/base/clock.ts';
import { askGolden, goldenSource, unaskGolden } from '../../src/cloud/golden/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { days, pass, seldom } from '../support/time.ts';
import { crashAfter, crashPoint, type Moment } from './crash-harness.ts';

const point = crashPoint();
const clock = drivenClock();
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ clock, ...seldom, buildMs: 2_000, wrap: point.wrap });
});
afterAll(() => atoll.close());

const image = 'edge';
const later = (ms: number) => pass(atoll.database, clock, ms);
const row = () =>
  atoll.database.store.db
    .selectFrom('golden_images')
    .select(['phase', 'digest', 'tries', 'outdated'])
    .where('name', '=', image)
    .executeTakeFirstOrThrow();
const copies = async () => (await atoll.engine.listSnapshots()).map(({ name }) => name);
const change = (what: typeof askGolden) =>
  atoll.database.store.transaction((tx) => what(tx, [image], clock.now()));

/** The rest of the time that the loop takes to be there again after a crash counts as well. */
const long = 120_000;
const steps = {
  'that is built': async () => {
    await change(askGolden);
    await later(long);
  },
  'that is replaced by a newer one': async () => {
    atoll.builder.publish();
    await later(days(7) + long);
  },
  'that is let go': async () => {
    await change(unaskGolden);
    await later(long);
  },
};

/** All three in turn, with a crash at one moment of one of them; answers whether it came to that. */
async function life(where: keyof typeof steps, n: number, moment: Moment): Promise<boolean> {
  let came = false;
  atoll.builder.forget(image);
  const before = await goldenSource(atoll.database.store.db, image);
  expect('waiting' in before).toBe(true);
  for (const [name, act] of Object.entries(steps)) {
    const earlier = name === 'that is built' ? undefined : (await row()).digest;
    const crashed = name === where ? crashAfter(point, atoll, n, { moment }) : undefined;
    await act();
    came ||= (await crashed?.()) ?? false;
    await later(long);
    const now = await row();
    if (name === 'that is let go') {
      expect(now).toMatchObject({ phase: 'unused', digest: null });
      expect(await copies()).toEqual([]);
    } else {
      expect(now).toMatchObject({ phase: 'ready', tries: 0, outdated: null });
      expect(now.digest).not.toBe(earlier);
      expect(await copies()).toEqual([`golden-${image}-${now.digest}`]);
    }
  }
  return came;
}

describe('kill -9 around every step', () => {
  it.each(Object.keys(steps) as (keyof typeof steps)[])(
    'of an image %s ends as if nothing had been',
    async (where) => {
      let crashes = 0;
      for (const moment of ['before step', 'during step', 'after step'] as const)
        for (let n = 1; await life(where, n, moment); n++) crashes++;
      expect(crashes).toBeGreaterThan(2);
    },
  );

  it('came to all kinds of steps', () => {
    expect([...point.taken].filter((step) => step.startsWith('golden: ')).toSorted()).toEqual(
      ['build', 'check', 'note', 'remove', 'unpack'].map((step) => `golden: ${step}`),
    );
  });
});
