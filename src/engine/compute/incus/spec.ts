import ipaddr from 'ipaddr.js';
import type { InstanceSpec, Nic } from '../port.ts';

/** Config keys that Atoll keeps on what it makes. */
export const urnKey = 'user.atoll.urn';
export const bootKey = 'user.atoll.boot';
export const vpcKey = 'user.atoll.vpc';

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
}

/**
 * The bridge of a VPC. A network interface's name may have 15 characters, so only the first 8 digits of the
 * VPC's uuid fit; the whole is kept in the network's `user.atoll.vpc`.
 */
export function vpcNetworkName(id: string, vpcId: string): string {
  return `at${id}v${vpcId.replaceAll('-', '').slice(0, 8)}`;
}

/**
 * The name of a machine in Incus. All Incus daemons of a host share one nft table, in which chains are named after
 * machines: so two Atolls must not have one of the same name.
 */
export const engineName = (id: string, name: string): string => `at${id}-${name}`;

/** The port's name of a machine, by its name in Incus. */
export const portName = (name: string): string => name.replace(/^at[0-9a-f]{4}-/, '');

/** The bridge that a nic hangs on. */
export function networkName(placement: Pick<Placement, 'id' | 'publicNetwork'>, network: string): string {
  return network === 'public' ? placement.publicNetwork : vpcNetworkName(placement.id, network);
}

/** The body of the one `POST /1.0/instances` that makes and starts a machine. */
export function instanceBody(spec: InstanceSpec, placement: Placement) {
  const nics = spec.nics.map(
    (nic, index) => [`eth${index}`, nicDevice(nic, `eth${index}`, placement)] as const,
  );
  return {
    name: engineName(placement.id, spec.name),
    type: 'container',
    start: true,
    // No profile: what a machine is must not change with one.
    profiles: [],
    source: { type: 'image', alias: spec.image },
    config: {
      [urnKey]: spec.urn,
      [bootKey]: String(spec.boot),
      'limits.cpu': String(spec.vcpus),
      'limits.memory': `${spec.memoryMib}MiB`,
      // Own uid range: own quota of inotify instances and keys, and no way into another machine's files.
      'security.idmap.isolated': 'true',
      // Lets the guest mount block volumes. Takes effect at a start only, so it is set from the first one.
      'security.syscalls.intercept.mount': 'true',
      'security.syscalls.intercept.mount.allowed': 'ext4,xfs',
      'security.syscalls.intercept.mount.shift': 'true',
      'raw.lxc': rawLxc(spec.nics, placement.dropSysResource),
    },
    devices: {
      root: { type: 'disk', path: '/', pool: placement.pool, size: `${spec.diskGib}GiB` },
      ...Object.fromEntries(nics),
    },
  };
}

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
function rawLxc(nics: Nic[], dropSysResource: boolean): string {
  const lines = nics.flatMap((nic, index) =>
    (['ipv4', 'ipv6'] as const).flatMap((family) => {
      const address = nic[family];
      if (!address) return [];
      const key = `lxc.net.${index}.${family}`;
      const gateway = address.gateway ? [`${key}.gateway = ${address.gateway}`] : [];
      const value = `${address.address}/${address.prefix}`;
      return [`${key}.address = ${family === 'ipv4' ? withBroadcast(value) : value}`, ...gateway];
    }),
  );
  lines.push('lxc.mount.auto = sys:ro');
  if (dropSysResource) lines.push('lxc.cap.drop = sys_resource');
  return `${lines.join('\n')}\n`;
}
