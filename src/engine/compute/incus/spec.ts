import ipaddr from 'ipaddr.js';
import type { InstanceSpec, Nic, VolumeAttachment } from '../port.ts';

/** Config keys that Atoll keeps on what it makes. */
export const urnKey = 'user.atoll.urn';
export const bootKey = 'user.atoll.boot';
/** The generation of its disk. */
export const rootKey = 'user.atoll.root';
/** On what is to replace a machine: the name in Incus of that machine. Gone when it has taken its place. */
export const replacesKey = 'user.atoll.replaces';
/** What the disk of a replacement was made for; set when it is complete. */
export const madeKey = 'user.atoll.made';
/** The owner of a disk snapshot, which is an instance that never runs. */
export const snapshotKey = 'user.atoll.saved';
/** What a disk snapshot takes; set when it is complete. */
export const bytesKey = 'user.atoll.bytes';
/** What of a running machine was changed for its next start, and the run that it was changed in, see renewal.ts. */
export const renewedKey = 'user.atoll.renewed';
export const vpcKey = 'user.atoll.vpc';
/** On the storage pool: whose it is. It goes with the disks that are in it. */
export const cloudKey = 'user.atoll.cloud';

/** Where in an Incus instances are made. */
export interface Placement {
  /** Four hex digits, the Atoll's own: part of the names of its bridges. */
  id: string;
  /** The bridge that the nic network `public` stands for. */
  publicNetwork: string;
  /** The storage pool of root disks. */
  pool: string;
  /**
   * The daemon lacks CAP_SYS_RESOURCE. Its helper that mounts a guest's block volume gives itself the guest's
   * capabilities, which then must not have it either.
   */
  dropSysResource: boolean;
  /** Machines may mount ext4 and XFS on their volumes, by the host's kernel; absent: they may. */
  volumeMounts?: boolean;
}

/**
 * The bridge of a VPC. A network interface's name may have 15 characters, so only the first 8 digits of the
 * VPC's uuid fit; the whole is kept in the network's `user.atoll.vpc`.
 */
export function vpcNetworkName(id: string, vpcId: string): string {
  return `at${id}v${vpcId.replaceAll('-', '').slice(0, 8)}`;
}

/**
 * The name in Incus of what is made there. All Incus daemons of a host share one nft table, in which chains are named
 * after machines: so two Atolls must not have one of the same name.
 */
export const engineName = (id: string, name: string): string => `at${id}-${name}`;

/** The two names that a machine may have in Incus: the one it is made under, and the other one (see replace.ts). */
export const engineNames = (id: string, name: string): [string, string] => [
  engineName(id, name),
  `at${id}n-${name}`,
];

/** The port's name of a machine or disk snapshot, by its name in Incus. */
export const portName = (name: string): string => name.replace(/^at[0-9a-f]{4}n?-/, '');

/** The bridge that a nic is attached to. */
export function networkName(placement: Pick<Placement, 'id' | 'publicNetwork'>, network: string): string {
  return network === 'public' ? placement.publicNetwork : vpcNetworkName(placement.id, network);
}

/** The `source` of an instance, and the config that a copy must have so that it does not take its source's. */
export interface InstanceSource {
  source: { type: 'image'; alias: string } | { type: 'copy'; source: string };
  config: Record<string, string>;
}

/** The body of the `POST /1.0/instances` that makes a machine, and starts it unless it is a copy. */
export function instanceBody(spec: InstanceSpec, from: InstanceSource, placement: Placement) {
  return {
    name: engineName(placement.id, spec.name),
    type: 'container',
    start: from.source.type === 'image',
    // No profile: what a machine is must not change with one.
    profiles: [],
    source: from.source,
    config: { ...from.config, ...instanceConfig(spec, placement) },
    devices: instanceDevices(spec, placement),
  };
}

/** Lets a machine mount block volumes. Takes effect at a start only, so it is set from the first one. */
export const mountInterception = {
  'security.syscalls.intercept.mount': 'true',
  'security.syscalls.intercept.mount.allowed': 'ext4,xfs',
  'security.syscalls.intercept.mount.shift': 'true',
};

/** Said and not left out: the machine may be a copy of one that has it. */
const noMountInterception = { 'security.syscalls.intercept.mount': 'false' };

/** What a machine's kernel calls are refused; takes effect at its next start. */
export const deniedKey = 'security.syscalls.deny';

/**
 * A machine makes no subvolumes: the limit of its disk does not count what is in them (btrfs-qgroup(8)), so that one
 * machine could fill the pool of all. The requests are those of linux/btrfs.h to make one and to take a snapshot, both
 * also in their second version. ENOTTY is what other file systems answer, where programs make a directory instead. Only
 * the lower half of the register is the request: the kernel ignores the upper one, and so must the filter.
 */
export const noSubvolumes = [0x5000940e, 0x50009401, 0x50009418, 0x50009417]
  .map((request) => `ioctl errno 25 [1,${request},SCMP_CMP_MASKED_EQ,4294967295]\n`)
  .join('');

/** The config of a machine. */
export function instanceConfig(spec: InstanceSpec, placement: Placement): Record<string, string> {
  return {
    [urnKey]: spec.urn,
    [bootKey]: String(spec.boot),
    [rootKey]: String(spec.root),
    'limits.cpu': String(spec.vcpus),
    'limits.memory': `${spec.memoryMib}MiB`,
    ...ofEveryMachine(placement),
    'raw.lxc': rawLxc(addressesOf(spec.nics), placement),
  };
}

/** What takes effect at a start alone, whatever the machine is. */
function ofEveryMachine(placement: Placement): Record<string, string> {
  return {
    // Own uid range: own quota of inotify instances and keys, and no way into another machine's files.
    'security.idmap.isolated': 'true',
    // Lets the guest run containers where AppArmor would forbid it the mounts that they need.
    'security.nesting': 'true',
    [deniedKey]: noSubvolumes,
    ...(placement.volumeMounts === false ? noMountInterception : mountInterception),
  };
}

/** The part of a machine's config that takes effect at a start alone, as it is written today. Its addresses stay. */
export function startConfig(config: Record<string, string>, placement: Placement): Record<string, string> {
  const addresses = (config['raw.lxc'] ?? '').split('\n').filter((line) => line.startsWith('lxc.net.'));
  return { ...ofEveryMachine(placement), 'raw.lxc': rawLxc(addresses, placement) };
}

export type Devices = Record<string, Record<string, string>>;

/** The devices of a machine: its disk, its nics and its volumes. */
export function instanceDevices(spec: InstanceSpec, placement: Placement): Devices {
  const nics = spec.nics.map(
    (nic, index) => [`eth${index}`, nicDevice(nic, `eth${index}`, placement)] as const,
  );
  const volumes = spec.volumes.map((volume) => [volumeKey(volume.id), volumeDevice(volume)] as const);
  return {
    root: rootDevice(spec.diskGib, placement.pool),
    ...Object.fromEntries([...nics, ...volumes]),
  };
}

export const rootDevice = (diskGib: number, pool: string): Record<string, string> => ({
  type: 'disk',
  path: '/',
  pool,
  size: `${diskGib}GiB`,
});

const volumePrefix = 'vol-';

/** The device of a volume on a machine. */
export const volumeKey = (volumeId: string): string => `${volumePrefix}${volumeId}`;

/** The device of a volume whose first one is in the way: see `attachVolume`. */
export const secondVolumeKey = (volumeId: string): string => `${volumePrefix}${volumeId}-2`;

/** The volumes among devices. */
export const volumeIds = (devices: Devices): string[] =>
  Object.keys(devices).flatMap((key) =>
    key.startsWith(volumePrefix) ? [key.slice(volumePrefix.length).replace(/-2$/, '')] : [],
  );

/** Where a volume is seen inside, as on DigitalOcean. */
export const volumePath = (volumeName: string): string => `/dev/disk/by-id/scsi-0DO_Volume_${volumeName}`;

/** Not required: a machine must start though the device of a volume has gone. */
export const volumeDevice = ({ name, device }: VolumeAttachment): Record<string, string> => ({
  type: 'unix-block',
  source: device,
  path: volumePath(name),
  mode: '0660',
  required: 'false',
});

/**
 * The device for `secondVolumeKey`: what the first one has left may or may not be mounted inside. Incus compares paths
 * as written, mounts nothing where it finds a device of the same path, and insists on removing files it has in `/dev/`:
 * written differently, this one is always mounted, and its removal leaves the other to `detachVolume`.
 */
export const secondVolumeDevice = (volume: VolumeAttachment): Record<string, string> => ({
  ...volumeDevice(volume),
  path: `/.${volumePath(volume.name)}`,
});

/** A nic that can send with its own addresses only; without an IPv6 address it cannot send IPv6 at all. */
function nicDevice(nic: Nic, name: string, placement: Placement): Record<string, string> {
  return {
    type: 'nic',
    name,
    network: networkName(placement, nic.network),
    hwaddr: nic.mac,
    'ipv4.address': nic.ipv4.address,
    ...(nic.ipv6 ? { 'ipv6.address': nic.ipv6.address } : {}),
    'security.mac_filtering': 'true',
    'security.ipv4_filtering': 'true',
    'security.ipv6_filtering': 'true',
  };
}

/**
 * LXC takes the broadcast address from the class of old, not from the prefix; systemd-networkd then tries to put
 * it right for ever and keeps the link from becoming configured.
 */
const withBroadcast = (cidr: string): string =>
  `${cidr} ${ipaddr.IPv4.broadcastAddressFromCIDR(cidr).toString()}`;

/**
 * The addresses are set by LXC before init runs: the metadata service is reachable from the first moment, and
 * nothing waits for DHCP. With /sys read-only systemd-networkd does not wait for udev either.
 */
function rawLxc(addresses: string[], { dropSysResource }: Placement): string {
  const lines = [...addresses, 'lxc.mount.auto = sys:ro'];
  if (dropSysResource) lines.push('lxc.cap.drop = sys_resource');
  return `${lines.join('\n')}\n`;
}

const addressesOf = (nics: Nic[]): string[] =>
  nics.flatMap((nic, index) => [
    ...addressLines(index, 'ipv4', nic.ipv4),
    ...(nic.ipv6 ? addressLines(index, 'ipv6', nic.ipv6) : []),
  ]);

type Address = Nic['ipv4'];

function addressLines(
  index: number,
  family: 'ipv4' | 'ipv6',
  { address, prefix, gateway }: Address,
): string[] {
  const key = `lxc.net.${index}.${family}`;
  const value = `${address}/${prefix}`;
  return [
    `${key}.address = ${family === 'ipv4' ? withBroadcast(value) : value}`,
    ...(gateway ? [`${key}.gateway = ${gateway}`] : []),
  ];
}

/** `raw.lxc` of a machine whose public nic has got this IPv6 address, for its next boot. */
export function withIpv6(raw: string, address: Address): string {
  const others = raw.split('\n').filter((line) => line && !line.startsWith('lxc.net.0.ipv6.'));
  return `${[...addressLines(0, 'ipv6', address), ...others].join('\n')}\n`;
}
