import { expect, test } from 'vitest';
import type { InstanceSpec } from '../port.ts';
import { instanceBody, vpcNetworkName } from './spec.ts';

const vpc = '5a4981aa-9653-4bd1-bef5-d6bff52042e4';
const placement = { id: '0a1b', publicNetwork: 'at0a1bpub', pool: 'main', dropSysResource: true };
const spec: InstanceSpec = {
  urn: 'do:droplet:7',
  name: 'droplet-7',
  image: 'debian-12',
  vcpus: 2,
  memoryMib: 2048,
  diskGib: 50,
  boot: 1,
  nics: [
    {
      network: 'public',
      mac: '10:66:6a:00:00:07',
      ipv4: { address: '10.70.0.7', prefix: 16, gateway: '10.70.0.1' },
      ipv6: { address: 'fd70::7', prefix: 64, gateway: 'fd70::1' },
    },
    { network: vpc, mac: '10:66:6a:01:00:07', ipv4: { address: '10.116.0.2', prefix: 20 } },
  ],
};

test('the bridge of a VPC fits an interface name', () => {
  expect(vpcNetworkName('0a1b', vpc)).toBe('at0a1bv5a4981aa');
  expect(vpcNetworkName('0a1b', vpc)).toHaveLength(15);
});

test('a machine has its addresses before it boots', () => {
  expect(instanceBody(spec, placement).config['raw.lxc']).toBe(
    [
      'lxc.net.0.ipv4.address = 10.70.0.7/16 10.70.255.255',
      'lxc.net.0.ipv4.gateway = 10.70.0.1',
      'lxc.net.0.ipv6.address = fd70::7/64',
      'lxc.net.0.ipv6.gateway = fd70::1',
      'lxc.net.1.ipv4.address = 10.116.0.2/20 10.116.15.255',
      'lxc.mount.auto = sys:ro',
      'lxc.cap.drop = sys_resource',
      '',
    ].join('\n'),
  );
  const kept = instanceBody(spec, { ...placement, dropSysResource: false });
  expect(kept.config['raw.lxc']).not.toContain('cap.drop');
});

test('nics hang on their networks and are filtered', () => {
  const { devices } = instanceBody(spec, placement);
  const filters = {
    'security.mac_filtering': 'true',
    'security.ipv4_filtering': 'true',
    'security.ipv6_filtering': 'true',
  };
  expect(devices).toMatchObject({
    root: { pool: 'main', size: '50GiB' },
    eth0: { network: 'at0a1bpub', 'ipv4.address': '10.70.0.7', 'ipv6.address': 'fd70::7', ...filters },
    eth1: { network: 'at0a1bv5a4981aa', 'ipv4.address': '10.116.0.2', ...filters },
  });
});
