import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { gateway } from './incus-setup.ts';
import { freeRanges, freeReservedRanges, takenRanges } from './public-network.ts';

const bytes = fc.uint8Array({ minLength: 7, maxLength: 7 });

test('reads addresses and routes', () => {
  const addresses = [{ ifname: 'eth0', addr_info: [{ local: '192.0.2.2', prefixlen: 24 }] }, { ifname: 'x' }];
  const routes = [{ dst: 'default' }, { dst: '10.70.0.0/16' }, { dst: '10.80.0.9' }, { dst: 'fd00::1' }];
  expect(takenRanges(JSON.stringify(addresses), JSON.stringify(routes), '')).toEqual([
    '192.0.2.2/24',
    '10.70.0.0/16',
    '10.80.0.9/32',
    'fd00::1/128',
  ]);
});

test('avoids what is taken, by a wider range or by a single address', () => {
  const taken = ['10.64.0.0/11', '10.96.0.0/12', '10.112.0.0/13', '10.120.1.1/32', 'fd00::/8'];
  fc.assert(
    fc.property(bytes, (random) => {
      const second = Number(freeRanges(taken, random).ipv4.split('.')[1]);
      expect(second).toBeGreaterThan(120);
      expect(second).toBeLessThan(128);
    }),
  );
});

test('gives up where all is taken', () => {
  expect(() => freeRanges(['10.0.0.0/8'], new Uint8Array(7))).toThrow(/No \/16/);
});

test('makes valid ranges, the gateway being the first address of each', () => {
  fc.assert(
    fc.property(bytes, (random) => {
      const { ipv4, ipv6 } = freeRanges([], random);
      expect(ipaddr.parseCIDR(ipv6)[0].range()).toBe('uniqueLocal');
      expect(gateway(ipv4)).toBe(ipv4.replace('.0.0/16', '.0.1/16'));
      expect(ipaddr.parseCIDR(gateway(ipv6))[1]).toBe(64);
      expect(gateway(ipv6)).toMatch(/::1\/64$/);
    }),
  );
});

test('picks reserved ranges beside all others', () => {
  const free = '10.255.48.0/20';
  const slices = Array.from({ length: 16 }, (_, n) => `10.255.${n * 16}.0/20`);
  const wide = [
    '10.192.0.0/11',
    '10.224.0.0/12',
    '10.240.0.0/13',
    '10.248.0.0/14',
    '10.252.0.0/15',
    '10.254.0.0/16',
  ];
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (random) => {
      const { ipv4, ipv6 } = freeReservedRanges([], random);
      expect(ipv4).toMatch(/^10\.(19[2-9]|2\d\d)\.\d+\.0\/20$/);
      expect(ipaddr.parseCIDR(ipv6)[0].range()).toBe('uniqueLocal');
      const taken = [...wide, ...slices.filter((slice) => slice !== free)];
      expect(freeReservedRanges(taken, random).ipv4).toBe(free);
      expect(() => freeReservedRanges([...taken, '10.255.50.1/32'], random)).toThrow(/No \/20/);
    }),
    { numRuns: 5 },
  );
});
