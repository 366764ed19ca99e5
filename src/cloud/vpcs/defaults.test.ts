import { expect, test } from 'vitest';
import { regions } from '../regions/index.ts';
import { defaultRange } from './defaults.ts';

test('each region has a range of its own within 10.128.0.0/14', () => {
  const ranges = regions.map(({ slug }) => defaultRange(slug));
  expect(new Set(ranges).size).toBe(regions.length);
  for (const range of ranges) expect(range).toMatch(/^10\.(12[89]|13[01])\.(\d+)\.0\/20$/);
  expect(() => defaultRange('mars1')).toThrow('no region mars1');
});
