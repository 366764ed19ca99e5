import { expect, test } from 'vitest';
import { findRegion, regions } from './catalogue.ts';
import { checkRegion } from './check.ts';
import { regionView } from './view.ts';

test('each region has a name and can be shown', () => {
  for (const region of regions) {
    expect(region.name).toMatch(/^[A-Z][a-zA-Z ]+ \d$/);
    expect(regionView(region.slug)).toMatchObject({ ...region, available: true });
  }
  expect(findRegion('tor1')).toEqual({ slug: 'tor1', name: 'Toronto 1' });
});

test('a field that names none is told so, by the name it has in its request', () => {
  expect(checkRegion('region', 'nyc').slug).toBe('nyc1');
  expect(checkRegion('region', undefined).slug).toBe('nyc3');
  expect(() => checkRegion('region_slug', 'mars1')).toThrow(
    "region_slug 'mars1' is not a region. GET /v2/regions lists them.",
  );
});

test.each([
  ['sfo3', 'sfo3'],
  ['FRA1', 'fra1'],
  ['nyc', 'nyc1'],
  ['', 'nyc3'],
  [undefined, 'nyc3'],
  [null, 'nyc3'],
  ['n', undefined],
  ['mars1', undefined],
  ['constructor', undefined],
])('%j means %j', (given, slug) => {
  expect(findRegion(given)?.slug).toBe(slug);
});
