import { expect, test } from 'vitest';
import { missingCapabilities } from './capabilities.ts';

test('reads the effective set', () => {
  expect(missingCapabilities('CapPrm:\t0\nCapEff:\t000001ffffffffff\n')).toEqual([]);
  expect(missingCapabilities('CapEff:\t000001fffeffffff\n')).toEqual(['CAP_SYS_RESOURCE']);
  expect(missingCapabilities('CapEff:\t0000000000000000\n')).toContain('CAP_SYS_ADMIN');
});
