import type { NatMaps } from './nat-maps.ts';
import type { PublicNetwork, ReservedNetwork } from './network.ts';

/**
 * The table, for `nft -f`: replaced as a whole in one transaction. A droplet is a tenant: of the host it may
 * reach metadata, DNS and ping, whatever other tables accept (a drop in any base chain is final, an accept only
 * ends its own chain). Droplets' traffic to each other and to the world is not touched here, but for what goes over
 * reserved addresses.
 */
export function ruleset(network: PublicNetwork, maps: NatMaps): string {
  const { table, bridge, bridgePrefix, gateway, metadataPort, reserved } = network;
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  ${reserved ? mapsText(maps) : ''}
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "${bridge}" ip daddr 169.254.169.254 tcp dport 80 dnat ip to ${gateway}:${metadataPort}
    ${reserved ? toTarget : ''}
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname != "${bridge}" ip daddr ${gateway} tcp dport ${metadataPort} drop
    iifname != "${bridgePrefix}*" accept
    # Answers to what the host asked, such as its SSH connections to droplets.
    ct state established,related accept
    iifname != "${bridge}" drop
    meta l4proto { icmp, ipv6-icmp } accept
    ip daddr ${gateway} tcp dport ${metadataPort} accept
    meta l4proto { tcp, udp } th dport 53 accept
    drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    # Link-local addresses end here: a host that is itself a cloud's machine has secrets at 169.254.169.254.
    iifname "${bridgePrefix}*" oifname != "${bridgePrefix}*" ip daddr 169.254.0.0/16 drop
    # The network of a VPC is not routed, neither to the world nor to the public network.
    iifname "${bridgePrefix}*" iifname != "${bridge}" oifname != "${bridgePrefix}*" drop
    iifname "${bridgePrefix}*" iifname != "${bridge}" oifname "${bridge}" drop
    ${reserved ? refuseUnassigned(reserved) : ''}
  }
  chain output {
    type filter hook output priority filter; policy accept;
    # A droplet that hears of a router takes a second address, from which it may not send. The bridge's name server
    # is told to advertise nothing; this holds for whatever else on this host would.
    oifname "${bridgePrefix}*" icmpv6 type nd-router-advert drop
  }
  ${reserved ? reservedChains(network, reserved) : ''}
}
`;
}

const toTarget = `dnat ip to ip daddr map @reserved4
    dnat ip6 to ip6 daddr map @reserved6`;

/** What is still on its way to a reserved address here was not led to a droplet. */
const refuseUnassigned = ({
  ipv4,
  ipv6,
}: ReservedNetwork) => `ip daddr ${ipv4} reject with icmpx host-unreachable
    ip6 daddr ${ipv6} reject with icmpx host-unreachable`;

function reservedChains(network: PublicNetwork, reserved: ReservedNetwork): string {
  const { bridge, bridgePrefix, gateway, gateway6, ipv4, ipv6 } = network;
  // Earlier than Incus' masquerading, since the first translation of a connection holds. Where the way back is not
  // known outside, that is left to do it.
  const egress = `oifname != "${bridgePrefix}*" snat ip to ip saddr map @egress4
    oifname != "${bridgePrefix}*" snat ip6 to ip6 saddr map @egress6`;
  return `chain reserved_output {
    type nat hook output priority -100; policy accept;
    ${toTarget}
  }
  chain reserved_postrouting {
    type nat hook postrouting priority srcnat - 10; policy accept;
    # From one droplet to another's reserved address: the answer must come back through here to be translated, and
    # not take the short way over the bridge.
    oifname "${bridge}" ct status dnat ip saddr ${ipv4} snat ip to ${gateway}
    oifname "${bridge}" ct status dnat ip6 saddr ${ipv6} snat ip6 to ${gateway6}
    ${reserved.routed ? egress : ''}
  }
  chain reserved_filter {
    type filter hook output priority filter; policy accept;
    ${refuseUnassigned(reserved)}
    # There is no shorter way to a reserved address than through here.
    oifname "${bridge}" icmp type redirect drop
    oifname "${bridge}" icmpv6 type nd-redirect drop
  }`;
}

function mapsText(maps: NatMaps): string {
  return Object.entries(maps)
    .map(([name, elements]) => {
      const type = name.endsWith('6') ? 'ipv6_addr' : 'ipv4_addr';
      const pairs = Array.from(elements, ([from, to]) => `${from} : ${to}`);
      return `map ${name} {
    type ${type} : ${type}
    ${pairs.length > 0 ? `elements = { ${pairs.join(', ')} }` : ''}
  }`;
    })
    .join('\n  ');
}
