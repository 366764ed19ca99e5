import { anything, assert, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicNetwork } from './network.ts';
import { InvalidEntry, parseAddress, parsePublication, parseSnapshot, parseVolume } from './validate.ts';

const network = publicNetwork({
  id: 'ab12',
  publicNetwork: { ipv4: '10.90.0.0/16', ipv6: 'fd90::/64' },
  metadataPort: 8169,
  reservedNetwork: { ipv4: '10.89.0.0/24', ipv6: 'fd89::/64' },
});

const entry = {
  id: 7,
  mac: '0a:00:00:00:00:07',
  ipv4: '10.90.1.7',
  ipv6: 'fd90::7',
  metadata: {
    droplet_id: 7,
    hostname: 'seven',
    vendor_data: '',
    public_keys: ['ssh-ed25519 AAAA'],
    region: 'nyc3',
    interfaces: { public: [{ type: 'public', mac: '0a:00:00:00:00:07' }] },
    dns: { nameservers: ['10.90.0.1', 'fd90::1'] },
    tags: [],
    features: {},
    floating_ip: { ipv4: { active: false } },
    reserved_ip: { ipv4: { active: false }, ipv6: { active: true, ip_address: 'fd89::5' } },
  },
};

const parse = (value: unknown) => parsePublication(value, 7, network);
const outcome = (value: unknown) => {
  try {
    return parse(value);
  } catch (error) {
    return error;
  }
};

describe('parsePublication', () => {
  it('takes an entry as it is', () => {
    expect(parse({ generation: 3, entry })).toEqual({ generation: 3, entry });
  });

  const { metadata } = entry;
  it.each<[string, object]>([
    ['generation', { generation: -1, entry }],
    ['generation', { generation: 1.5, entry }],
    ['entry', { generation: 1 }],
    ['entry.id', { generation: 1, entry: { ...entry, id: 8 } }],
    ['entry.mac', { generation: 1, entry: { ...entry, mac: '0A:00:00:00:00:07' } }],
    ['entry.mac', { generation: 1, entry: { ...entry, mac: '0a:00:00:00:00:07\nneigh flush all' } }],
    ['entry.ipv4', { generation: 1, entry: { ...entry, ipv4: '10.90.1' } }],
    ['entry.ipv4', { generation: 1, entry: { ...entry, ipv4: '10.91.0.7' } }],
    ['entry.ipv4', { generation: 1, entry: { ...entry, ipv4: '10.90.0.1' } }],
    ['entry.ipv4', { generation: 1, entry: { ...entry, ipv4: '10.90.255.255' } }],
    ['entry.ipv6', { generation: 1, entry: { ...entry, ipv6: 'fd91::7' } }],
    ['entry.ipv6', { generation: 1, entry: { ...entry, ipv6: 'fd90:0::1' } }],
    ['entry.ipv6', { generation: 1, entry: { ...entry, ipv6: 'fd90::7%eth0' } }],
    ['entry: Unrecognized key', { generation: 1, entry: { ...entry, more: true } }],
    [
      'entry.metadata.droplet_id',
      { generation: 1, entry: { ...entry, metadata: { ...metadata, droplet_id: 8 } } },
    ],
    ['entry.metadata.tags.0', { generation: 1, entry: { ...entry, metadata: { ...metadata, tags: [1] } } }],
    [
      'entry.metadata.user_data',
      { generation: 1, entry: { ...entry, metadata: { ...metadata, user_data: 'ü'.repeat(40_000) } } },
    ],
  ])('names %s', (field, value) => {
    expect(() => parse(value)).toThrow(InvalidEntry);
    expect(() => parse(value)).toThrow(field);
  });

  it('never throws anything else', () => {
    assert(
      property(anything(), (value) => {
        for (const candidate of [value, { generation: 1, entry: value }]) {
          expect(outcome(candidate)).toBeInstanceOf(InvalidEntry);
        }
        const changed = outcome({ generation: 1, entry: { ...entry, mac: value } });
        expect(changed).toBeInstanceOf(InvalidEntry);
      }),
    );
  });

  it('does not tell what the secret was', () => {
    const secret = { ...metadata, user_data: { hunter: 'hunter2' } };
    expect(() => parse({ generation: 1, entry: { ...entry, metadata: secret } })).not.toThrow(/hunter/);
  });
});

describe('parseVolume, parseSnapshot and parseAddress', () => {
  const id = '0d1ae8b7-7f44-4d0c-8d9e-1f6a4a3c2b10';

  it('take what is right as it is', () => {
    const volume = { sizeGib: 16_384, filesystem: { type: 'xfs', label: '' }, fromSnapshot: id };
    expect(parseVolume({ ...volume, make: true }, id)).toEqual({ volume: { id, ...volume }, make: true });
    // Nothing is made by who does not ask for it.
    expect(parseVolume({ sizeGib: 1 }, id)).toEqual({ volume: { id, sizeGib: 1 }, make: false });
    expect(parseSnapshot({ volume: id })).toEqual({ volume: id, make: false });
    for (const entry of [
      { ip: '10.89.0.5' },
      { ip: '10.89.0.5', target: '10.90.1.7' },
      { ip: 'fd89::5', target: 'fd90::7' },
    ]) {
      expect(parseAddress({ generation: 1, entry }, entry.ip, network)).toEqual({ generation: 1, entry });
    }
  });

  it('never throw anything but InvalidEntry', () => {
    assert(
      property(anything(), (value) => {
        const candidates = [
          () => parseVolume(value, id),
          () => parseVolume({ sizeGib: 1, filesystem: value ?? null }, id),
          () => parseVolume({ sizeGib: 1, fromSnapshot: value ?? null }, id),
          () => parseSnapshot(value),
          () => parseSnapshot({ volume: value }),
          () => parseAddress(value, '10.89.0.5', network),
          () => parseAddress({ generation: 1, entry: { ip: value } }, '10.89.0.5', network),
          () =>
            parseAddress(
              { generation: 1, entry: { ip: '10.89.0.5', target: value ?? null } },
              '10.89.0.5',
              network,
            ),
        ];
        for (const candidate of candidates) expect(candidate).toThrow(InvalidEntry);
      }),
    );
  });
});
