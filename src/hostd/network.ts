import ipaddr from 'ipaddr.js';
import { type Config, publicBridge } from '../config.ts';

/** What hostd must know of the public network, which the droplets' first NICs are attached to. */
export interface PublicNetwork {
  /** The host's bridge of the public network. */
  bridge: string;
  /** What the names of all bridges of this Atoll begin with. */
  bridgePrefix: string;
  /** The host's own addresses on the bridge. */
  gateway: string;
  gateway6: string;
  /** Its ranges. */
  ipv4: string;
  ipv6: string;
  /** Where reserved addresses come from; absent: there are none. */
  reserved?: ReservedNetwork;
  /** Where metadata is served, on the gateway's address. */
  metadataPort: number;
  /** The nft table, family inet. */
  table: string;
  /** Whether a droplet may have this address; false for the gateway, the network's own and the broadcast address. */
  includes(address: string): boolean;
}

/** The ranges of reserved addresses, which no interface of the host has. */
export interface ReservedNetwork {
  ipv4: string;
  ipv6: string;
  /** Whether the networks around this host know the way to them, so that an answer to one of them arrives here. */
  routed: boolean;
  includes(address: string): boolean;
}

/** The public network of a configuration. */
export function publicNetwork(
  config: Pick<Config, 'id' | 'publicNetwork' | 'metadataPort' | 'reservedNetwork'>,
): PublicNetwork {
  const { ipv4, ipv6 } = config.publicNetwork;
  const gateways = [firstAddress(ipv4), firstAddress(ipv6)].map(String);
  const notForDroplets = new Set([
    ...gateways,
    ipaddr.IPv4.networkAddressFromCIDR(ipv4).toString(),
    ipaddr.IPv4.broadcastAddressFromCIDR(ipv4).toString(),
    ipaddr.IPv6.networkAddressFromCIDR(ipv6).toString(),
  ]);
  const { reservedNetwork } = config;
  return {
    bridge: publicBridge(config.id),
    bridgePrefix: `at${config.id}`,
    gateway: gateways[0] ?? '',
    gateway6: gateways[1] ?? '',
    ipv4,
    ipv6,
    ...(reservedNetwork && {
      reserved: {
        ...reservedNetwork,
        routed: reservedNetwork.routed ?? false,
        includes: (address: string) => isWithin(address, reservedNetwork),
      },
    }),
    metadataPort: config.metadataPort,
    table: `atoll_${config.id}`,
    includes: (address) =>
      isWithin(address, { ipv4, ipv6 }) && !notForDroplets.has(ipaddr.parse(address).toString()),
  };
}

/** Whether an address lies in the range of its family. */
function isWithin(address: string, ranges: { ipv4: string; ipv6: string }): boolean {
  const parsed = ipaddr.parse(address);
  return parsed.match(ipaddr.parseCIDR(ranges[parsed.kind()]));
}

/** An address as the kernel writes it, so that texts can be compared. */
export function canonicalAddress(address: string): string {
  const parsed = ipaddr.parse(address);
  return parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : parsed.toString();
}

function firstAddress(range: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const bytes = (
    range.includes(':')
      ? ipaddr.IPv6.networkAddressFromCIDR(range)
      : ipaddr.IPv4.networkAddressFromCIDR(range)
  ).toByteArray();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return ipaddr.fromByteArray(bytes);
}
