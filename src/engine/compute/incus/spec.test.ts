import { expect, test } from 'vitest';
import type { InstanceSpec } from '../port.ts';
import { type InstanceSource, instanceBody, instanceConfig, vpcNetworkName, withIpv6 } from './spec.ts';

const vpc = '5a4981aa-9653-4bd1-bef5-d6bff52042e4';
const placement = { id: '0a1b', publicNetwork: 'at0a1bpub', pool: 'main', dropSysResource: true };
const image: InstanceSource = { source: { type: 'image', alias: 'debian-12' }, config: {} };
const spec: InstanceSpec = {
  urn: 'do:droplet:7',
  name: 'droplet-7',
  source: { image: 'debian-12' },
  vcpus: 2,
  memoryMib: 2048,
  diskGib: 50,
  boot: 1,
  root: 1,
  volumes: [],
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
  expect(instanceBody(spec, image, placement).config['raw.lxc']).toBe(
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
  const kept = instanceBody(spec, image, { ...placement, dropSysResource: false });
  expect(kept.config['raw.lxc']).not.toContain('cap.drop');
});

test('nics are attached to their networks and filtered', () => {
  const { devices } = instanceBody(spec, image, placement);
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

test('an IPv6 address that comes later takes the place of an earlier one', () => {
  const { config } = instanceBody(spec, image, placement);
  const before = config['raw.lxc'] ?? '';
  const after = withIpv6(before, { address: 'fd70::9', prefix: 64 });
  const lines = (text: string) => text.split('\n').filter((line) => line.includes('ipv6'));
  expect(lines(after)).toEqual(['lxc.net.0.ipv6.address = fd70::9/64']);
  expect(withIpv6(after, { address: 'fd70::7', prefix: 64, gateway: 'fd70::1' }).split('\n').sort()).toEqual(
    before.split('\n').sort(),
  );
});

test('a volume is seen inside by its name', () => {
  const volume = { id: vpc, name: 'data', device: '/dev/loop7' };
  const { devices } = instanceBody({ ...spec, volumes: [volume] }, image, placement);
  expect(devices[`vol-${vpc}`]).toMatchObject({
    type: 'unix-block',
    source: '/dev/loop7',
    path: '/dev/disk/by-id/scsi-0DO_Volume_data',
  });
});

test('a machine may mount its volumes, unless that is switched off: then also a copy of one that might', () => {
  const mount = 'security.syscalls.intercept.mount';
  const on = instanceBody(spec, image, placement).config;
  expect(on).toMatchObject({ [mount]: 'true', [`${mount}.allowed`]: 'ext4,xfs' });
  const copy: InstanceSource = { source: { type: 'copy', source: 'other' }, config: on };
  for (const from of [image, copy])
    expect(instanceBody(spec, from, { ...placement, volumeMounts: false }).config[mount]).toBe('false');
});

test('a machine makes no subvolumes of its own, which no limit would hold for', () => {
  const denied = instanceConfig(spec, placement)['security.syscalls.deny'];
  expect(denied).toContain('ioctl errno 25 [1,1342215182,SCMP_CMP_MASKED_EQ,4294967295]\n');
  expect(denied?.split('\n')).toHaveLength(5);
});
