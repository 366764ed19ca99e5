import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { addressesOf, mayFetch } from './address.ts';
import { Unimportable } from './port.ts';

const none = { allowed: [], own: [] };

describe('an image may be fetched', () => {
  test.each(['8.8.8.8', '151.101.2.132', '2600:9000::1', '::ffff:8.8.8.8'])('from %s', (address) => {
    expect(mayFetch(address, none)).toBe(true);
  });

  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '169.254.169.254',
    '198.18.0.1',
    '192.0.2.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001::1',
    '2001:db8::1',
    'fe80::1',
    'fd00::1',
    'ff02::1',
  ])('not from %s', (address) => {
    expect(mayFetch(address, none)).toBe(false);
  });

  test('from what the operator allows, and from nothing beside it', () => {
    const rules = { allowed: ['192.168.7.0/24', 'fd00:7::/64'], own: [] };
    expect(mayFetch('192.168.7.9', rules)).toBe(true);
    expect(mayFetch('::ffff:192.168.7.9', rules)).toBe(true);
    expect(mayFetch('fd00:7::1', rules)).toBe(true);
    expect(mayFetch('192.168.8.9', rules)).toBe(false);
  });

  test('not from the cloud’s own networks, though they were public ones', () => {
    expect(mayFetch('8.8.8.8', { allowed: [], own: ['8.8.8.0/24'] })).toBe(false);
    expect(mayFetch('8.8.9.8', { allowed: [], own: ['8.8.8.0/24'] })).toBe(true);
  });

  test('not from an address of this host', () => {
    for (const { address } of Object.values(networkInterfaces()).flatMap((each) => each ?? []))
      expect(mayFetch(address, none)).toBe(false);
  });
});

describe('the addresses of a host', () => {
  test('written as one are checked as any other', async () => {
    await expect(addressesOf('127.0.0.1', none)).rejects.toThrow(Unimportable);
    await expect(addressesOf('[::1]', none)).rejects.toThrow('--allow-image-source');
    expect(await addressesOf('8.8.8.8', none)).toEqual([{ address: '8.8.8.8', family: 4 }]);
  });

  test('of a name are those that may be fetched from', async () => {
    await expect(addressesOf('localhost', none)).rejects.toThrow('localhost is not on the internet');
    const addresses = await addressesOf('localhost', { allowed: ['127.0.0.0/8'], own: [] });
    expect(addresses).toEqual([{ address: '127.0.0.1', family: 4 }]);
  });
});
