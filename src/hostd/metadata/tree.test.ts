import { describe, expect, it } from 'vitest';
import type { MetadataDocument } from '../../engine/node/port.ts';
import { answer } from './tree.ts';

const document: MetadataDocument = {
  droplet_id: 2756294,
  hostname: 'sample-droplet',
  user_data: '#!/bin/sh\necho hello\n',
  vendor_data: '#cloud-config\n',
  public_keys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two'],
  region: 'nyc3',
  interfaces: {
    public: [
      {
        type: 'public',
        mac: '04:01:2a:0f:2a:03',
        ipv4: { ip_address: '104.131.20.105', netmask: '255.255.192.0', gateway: '104.131.0.1' },
        ipv6: { ip_address: '2604:a880::17d:2001', cidr: 64, gateway: '2604:a880::1' },
      },
    ],
    private: [
      {
        type: 'private',
        mac: '04:01:2a:0f:2a:04',
        ipv4: { ip_address: '10.132.0.2', netmask: '255.255.0.0', gateway: '10.132.0.1' },
      },
    ],
  },
  dns: { nameservers: ['8.8.8.8', '8.8.4.4'] },
  tags: ['production', 'env:eu west'],
  features: { dhcp_enabled: false },
  floating_ip: { ipv4: { active: false } },
  reserved_ip: {
    ipv4: { active: true, ip_address: '45.55.96.17' },
    ipv6: { active: true, ip_address: '2409:40d0:f7:1017:74b4:3a96:105e:4c6e' },
  },
};

const read = (path: string, from = document) => {
  const found = answer(from, path);
  return found.status === 200 ? found.body : found;
};

describe('metadata tree', () => {
  it('gives the whole document as JSON', () => {
    const found = answer(document, '/metadata/v1.json');
    expect(found).toMatchObject({ status: 200, type: 'application/json' });
    expect(JSON.parse('body' in found ? found.body : '')).toEqual(document);
  });

  it.each([
    [
      '',
      'id hostname user-data vendor-data public-keys region interfaces/ dns/ floating_ip/ reserved_ip/ tags/ features/',
    ],
    ['interfaces/', 'public/ private/'],
    ['interfaces/public/', '0/'],
    ['interfaces/public/0/', 'mac type ipv4/ ipv6/'],
    ['interfaces/private/0/', 'mac type ipv4/'],
    ['interfaces/public/0/ipv4/', 'address netmask gateway'],
    ['interfaces/public/0/ipv6/', 'address cidr gateway'],
    ['dns/', 'nameservers'],
    ['floating_ip/', 'ipv4/'],
    ['floating_ip/ipv4/', 'active'],
    ['reserved_ip/', 'ipv4/ ipv6/'],
    ['reserved_ip/ipv4/', 'active ip_address'],
    ['reserved_ip/ipv6/', 'active ip_address'],
    ['features/', 'dhcp_enabled'],
  ])('lists %s', (path, names) => {
    expect(read(`/metadata/v1/${path}`)).toBe(names.split(' ').join('\n'));
    const bare = `/metadata/v1/${path}`.slice(0, -1);
    expect(answer(document, bare)).toEqual({ status: 301, location: `${bare}/` });
  });

  it.each([
    ['id', '2756294'],
    ['hostname', 'sample-droplet'],
    ['user-data', '#!/bin/sh\necho hello\n'],
    ['public-keys', 'ssh-ed25519 AAAA one\nssh-ed25519 BBBB two'],
    ['region', 'nyc3'],
    ['interfaces/public/0/mac', '04:01:2a:0f:2a:03'],
    ['interfaces/public/0/type', 'public'],
    ['interfaces/public/0/ipv4/address', '104.131.20.105'],
    ['interfaces/public/0/ipv6/cidr', '64'],
    ['interfaces/private/0/ipv4/gateway', '10.132.0.1'],
    ['dns/nameservers', '8.8.8.8\n8.8.4.4'],
    ['floating_ip/ipv4/active', 'false'],
    ['reserved_ip/ipv4/ip_address', '45.55.96.17'],
    ['reserved_ip/ipv6/active', 'true'],
    ['reserved_ip/ipv6/ip_address', '2409:40d0:f7:1017:74b4:3a96:105e:4c6e'],
    ['tags/', 'production\nenv:eu west'],
    ['tags/env%3Aeu%20west', 'env:eu west'],
    ['features/dhcp_enabled', 'false'],
  ])('reads %s', (path, value) => {
    expect(read(`/metadata/v1/${path}`)).toBe(value);
  });

  it.each([
    '/',
    '/metadata',
    '/metadata/v2/',
    '/metadata/v1x',
    '/metadata/v1/nothing',
    '/metadata/v1/id/',
    '/metadata/v1/id/more',
    '/metadata/v1//id',
    '/metadata/v1/interfaces/public/1/mac',
    '/metadata/v1/interfaces/public/0/anchor_ipv4/address',
    '/metadata/v1/floating_ip/ipv4/ip_address',
    '/metadata/v1/auth-token',
    '/metadata/v1/constructor',
    '/metadata/v1/%zz',
    '/latest/meta-data/',
  ])('has nothing at %s', (path) => {
    expect(answer(document, path)).toEqual({ status: 404 });
  });

  it('tells that there is no reserved address, and nothing of a family of which it was told nothing', () => {
    const none = { ...document, reserved_ip: { ipv4: { active: false }, ipv6: { active: false } } };
    expect(read('/metadata/v1/reserved_ip/ipv6/', none)).toBe('active');
    expect(read('/metadata/v1/reserved_ip/ipv6/active', none)).toBe('false');
    const older = { ...document, reserved_ip: document.floating_ip };
    expect(read('/metadata/v1/reserved_ip/', older)).toBe('ipv4/');
  });

  it('leaves out user data where there is none', () => {
    const { user_data: _, ...without } = document;
    expect(answer(without, '/metadata/v1/user-data')).toEqual({ status: 404 });
    expect(read('/metadata/v1/', without)).not.toContain('user-data');
    expect(read('/metadata/v1.json', without)).not.toContain('user_data');
  });
});
