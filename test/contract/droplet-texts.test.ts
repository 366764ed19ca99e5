/** The cache of rendered droplets: whatever it keeps and forgets, an answer is whole. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DropletTexts, dropletTexts } from '../../src/cloud/droplets/view.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { order } from '../support/droplets.ts';
import { simulatedContext } from '../support/simulated-context.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
let wanted: { id: number; version: number }[];
beforeAll(async () => {
  atoll = await startAtoll();
  const many = { ...order, name: undefined, names: ['a', 'b', 'c', 'd', 'e', 'f'] };
  await atoll.api.expect(202, 'POST', '/v2/droplets', many);
  const { db } = atoll.database.store;
  const rows = () => db.selectFrom('droplets').select(['id', 'version', 'status', 'pending_action_id']);
  await until(async () => (await rows().execute()).every((row) => row.pending_action_id === null));
  wanted = await rows().orderBy('id').execute();
});
afterAll(() => atoll.close());

/** Which droplets an answer shows, and which of them were read from the database for it. */
async function show(texts: DropletTexts, asked: typeof wanted): Promise<{ ids: number[]; queries: number }> {
  const { db } = atoll.database.store;
  let queries = 0;
  const counted = new Proxy(db, {
    get(target, key) {
      if (key === 'selectFrom') queries++;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const shown = await texts.of(counted, asked);
  return { ids: shown.map((text) => (JSON.parse(text) as { id: number }).id), queries };
}

describe('texts of droplets', () => {
  it.each([1, 2, 3, 4, 6])('are all there with room for %d of 6', async (capacity) => {
    const texts = dropletTexts(simulatedContext, capacity);
    const ids = wanted.map(({ id }) => id);
    // A page in pieces first, so that some of the next are kept already.
    expect((await show(texts, wanted.slice(0, 3))).ids).toEqual(ids.slice(0, 3));
    expect((await show(texts, wanted)).ids).toEqual(ids);
    expect((await show(texts, wanted.toReversed())).ids).toEqual(ids.toReversed());
  });

  it('are all there for requests at once', async () => {
    const texts = dropletTexts(simulatedContext, 2);
    const pages = Array.from({ length: 20 }, (_, n) => wanted.slice(n % 3, 3 + (n % 4)));
    const shown = await Promise.all(pages.map((asked) => show(texts, asked)));
    expect(shown.map(({ ids }) => ids)).toEqual(pages.map((asked) => asked.map(({ id }) => id)));
  });

  it('forget first what was shown longest ago', async () => {
    const texts = dropletTexts(simulatedContext, 2);
    const [a = [], b = [], c = []] = wanted.map((each) => [each]);
    await show(texts, a);
    await show(texts, b);
    expect((await show(texts, a)).queries).toBe(0);
    await show(texts, c);
    expect((await show(texts, a)).queries).toBe(0);
    expect((await show(texts, b)).queries).toBeGreaterThan(0);
  });
});
