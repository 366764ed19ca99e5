import { run } from './exec.ts';
import { log } from './log.ts';
import type { PublicNetwork } from './network.ts';

/** The nft table of an Atoll. */
export interface PacketFilter {
  /** Loads the table where it is absent or not as it was loaded; answers whether it had to. */
  heal(): Promise<boolean>;
  /** Deletes the table; one that is gone already is fine. */
  remove(): Promise<void>;
}

/** The packet filter between the droplets and this host. */
export function packetFilter(network: PublicNetwork): PacketFilter {
  /** How nft lists the table right after it was loaded; undefined: not loaded by this process yet. */
  let listing: string | undefined;

  const list = () => run('nft', ['--stateless', 'list', 'table', 'inet', network.table]);

  return {
    async heal() {
      if (listing !== undefined) {
        const found = await list().catch(() => undefined);
        if (found === listing) return false;
        log('warn', 'the nft table was changed by somebody else; it is loaded again', {
          table: network.table,
        });
      }
      await run('nft', ['-f', '-'], ruleset(network));
      listing = await list();
      return true;
    },
    async remove() {
      // Declared first, so that deleting it works whether it was there or not.
      await run('nft', ['-f', '-'], `table inet ${network.table}\ndelete table inet ${network.table}\n`);
      listing = undefined;
    },
  };
}

/**
 * The table, for `nft -f`: replaced as a whole in one transaction. A droplet is a tenant: of the host it may
 * reach metadata, DNS and ping, whatever other tables accept (a drop in any base chain is final, an accept only
 * ends its own chain). Droplets' traffic to each other and to the world is not touched here.
 */
export function ruleset({ table, bridge, bridgePrefix, gateway, metadataPort }: PublicNetwork): string {
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "${bridge}" ip daddr 169.254.169.254 tcp dport 80 dnat ip to ${gateway}:${metadataPort}
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
  }
}
`;
}
