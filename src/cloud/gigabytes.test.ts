import { expect, test } from 'vitest';
import { gigabytes } from './gigabytes.ts';

test.each([
  [1, 0.01],
  [1024 ** 3, 1],
  [1.236 * 1024 ** 3, 1.24],
])('%d bytes are %d GiB', (bytes, gib) => {
  expect(gigabytes(bytes)).toBe(gib);
});
