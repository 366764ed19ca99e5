import { expect, test } from 'vitest';
import { bytesOf, differing } from './pool-limits.ts';

test.each([
  ['10GiB', 10 * 2 ** 30],
  ['25MB', 25_000_000],
  ['4096', 4096],
  ['1TiB', 2 ** 40],
  ['', undefined],
  ['half', undefined],
  ['10XB', undefined],
])('the size %j is %j bytes', (size, bytes) => {
  expect(bytesOf(size)).toBe(bytes);
});

test('a limit is written where it is absent or another one, and nowhere else', () => {
  const found = [
    { group: '0/256', path: 'images/abc', used: 5 },
    { group: '0/257', path: 'containers/a', used: 5, limit: 100 },
    { group: '0/258', path: 'containers/b', used: 500, limit: 100 },
    { group: '0/259', path: 'containers/c', used: 5 },
    { group: '0/260', path: 'custom/default_d', used: 5, limit: 7 },
  ];
  const wanted = new Map([
    ['containers/a', 100],
    ['containers/b', 200],
    ['containers/c', 300],
    ['containers/made-meanwhile', 1],
  ]);
  expect(differing(found, wanted)).toEqual([
    { group: '0/258', bytes: 200 },
    { group: '0/259', bytes: 300 },
  ]);
});
