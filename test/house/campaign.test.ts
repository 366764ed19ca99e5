/** The gate's sample of a campaign: small, repeatable, and over the days all of it. */
import { expect, it } from 'vitest';
import { window } from '../support/campaign.ts';

const cases = ['a', 'b', 'c', 'd', 'e'];

it.each([1, 2, 3, 4])('%i of five at a time are all five in turn', (count) => {
  const seeds = Array.from({ length: Math.ceil(cases.length / count) }, (_, n) => 20_787 + n);
  const seen = seeds.map((seed) => window(cases, count, seed));
  for (const each of seen) expect(each).toHaveLength(count);
  expect(new Set(seen.flat())).toEqual(new Set(cases));
});

it('keeps the order, is the same for the same seed, and is all where there are no more', () => {
  expect(window(cases, 2, 2)).toEqual(['a', 'e']);
  expect(window(cases, 2, 2)).toEqual(window(cases, 2, 2 + cases.length));
  expect(window(cases, 5, 7)).toEqual(cases);
  expect(window(cases, 9, 7)).toEqual(cases);
});
