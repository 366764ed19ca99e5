import { expect, test } from 'vitest';
import type { GoldenRow } from '../cloud/golden/index.ts';
import { goldenLines, parseProducts } from './golden.ts';

const row = (changes: Partial<GoldenRow>): GoldenRow => ({
  name: 'edge',
  asked: true,
  used_at: null,
  phase: 'ready',
  message: '',
  since: new Date(Date.now() - 34_000),
  tries: 0,
  retry_at: null,
  digest: null,
  wanted: null,
  build: null,
  built_at: null,
  bytes: null,
  outdated: null,
  checked_at: null,
  ...changes,
});
const there = {
  digest: '0123456789abcdef',
  bytes: 126_000_000,
  built_at: new Date('2026-03-01T00:00:00Z'),
};

test('products are named with commas between, and unknown ones are refused with those there are', () => {
  expect(parseProducts('with', 'balancers,databases, balancers')).toEqual(['edge', 'database']);
  for (const wrong of ['', 'edge', 'balancers;databases', 'constructor'])
    expect(() => parseProducts('with', wrong)).toThrow(/^--with .*choose of balancers, databases/);
});

test('status says of each image what is there, and what is done about it', () => {
  expect(
    goldenLines([
      row(there),
      row({ name: 'database', phase: 'building', message: 'packing' }),
      row({ name: 'debian-12', ...there, phase: 'building', message: 'packing' }),
      row({ name: 'debian-13', phase: 'failed', message: 'E: no such suite' }),
      row({ name: 'other', asked: false, phase: 'unused' }),
    ]),
  ).toEqual([
    '  ✓ image edge        126 MB, built 2026-03-01, 0123456789abcdef',
    expect.stringMatching(/^ {2}… image database {4}being built: packing, for 34 s$/),
    expect.stringMatching(/^ {2}✓ image debian-12 .*; a newer one is being built: packing, for 34\.\d s$/),
    '  ✗ image debian-13   could not be made: E: no such suite',
  ]);
});
