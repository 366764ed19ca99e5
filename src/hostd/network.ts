import ipaddr from 'ipaddr.js';
import type { Config } from '../config.ts';

/** What hostd must know of the public network, which the droplets' first NICs hang on. */
export interface PublicNetwork {
  /** The host's bridge of the public network. */
  bridge: string;
  /** What the names of all bridges of this Atoll begin with. */
  bridgePrefix: string;
  /** The host's own address on the bridge. */
  gateway: string;
  /** Where metadata is served, on the gateway's address. */
  metadataPort: number;
  /** The nft table, family inet. */
  table: string;
  /** Whether a droplet may have this address; false for the gateway, the network's own and the broadcast address. */
  includes(address: string): boolean;
}

/** The public network of a configuration. */
export function publicNetwork(config: Pick<Config, 'id' | 'publicNetwork' | 'metadataPort'>): PublicNetwork {
  const { ipv4, ipv6 } = config.publicNetwork;
  const gateways = [firstAddress(ipv4), firstAddress(ipv6)].map(String);
  const reserved = new Set([
    ...gateways,
    ipaddr.IPv4.networkAddressFromCIDR(ipv4).toString(),
    ipaddr.IPv4.broadcastAddressFromCIDR(ipv4).toString(),
    ipaddr.IPv6.networkAddressFromCIDR(ipv6).toString(),
  ]);
  const ranges = { ipv4: ipaddr.IPv4.parseCIDR(ipv4), ipv6: ipaddr.IPv6.parseCIDR(ipv6) };
  return {
    bridge: `at${config.id}pub`,
    bridgePrefix: `at${config.id}`,
    gateway: gateways[0] ?? '',
    metadataPort: config.metadataPort,
    table: `atoll_${config.id}`,
    includes(address) {
      const parsed = ipaddr.parse(address);
      return parsed.match(ranges[parsed.kind()]) && !reserved.has(parsed.toString());
    },
  };
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
