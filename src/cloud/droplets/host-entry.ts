/** What a droplet's host must know of it: its address and its metadata document. */
import type { HostDroplet, MetadataAddress, MetadataInterface } from '../../engine/node/port.ts';
import { splitRange } from '../addresses/index.ts';
import type { PublicNetwork } from '../context.ts';
import { macOf } from '../guest-ids.ts';
import type { DropletRow } from './row.ts';
import { vendorData } from './vendor-data.ts';

export function hostEntry(row: DropletRow, network: PublicNetwork): HostDroplet {
  const ipv4 = reservedAddress(row.reserved_ipv4);
  const outside = publicInterface(row, network);
  const vpc = splitRange(row.vpc_range);
  return {
    id: row.id,
    mac: outside.mac,
    ipv4: row.public_ipv4,
    ...(row.public_ipv6 === null ? {} : { ipv6: row.public_ipv6 }),
    metadata: {
      droplet_id: row.id,
      hostname: row.name,
      ...(row.user_data === null ? {} : { user_data: row.user_data }),
      vendor_data: vendorData(row),
      public_keys: row.public_keys,
      region: row.region,
      interfaces: {
        public: [outside],
        private: [
          {
            type: 'private',
            mac: macOf(row.id, 1),
            ipv4: { ip_address: row.private_ipv4, netmask: vpc.netmask, gateway: vpc.gateway },
          },
        ],
      },
      dns: { nameservers: network.nameservers },
      tags: row.tags,
      features: { dhcp_enabled: false },
      floating_ip: { ipv4 },
      reserved_ip: { ipv4, ipv6: reservedAddress(row.reserved_ipv6) },
    },
  };
}

const reservedAddress = (ip: string | null): MetadataAddress =>
  ip === null ? { active: false } : { active: true, ip_address: ip };

function publicInterface(row: DropletRow, network: PublicNetwork): MetadataInterface {
  const { netmask, gateway } = splitRange(network.ipv4);
  const outside: MetadataInterface = {
    type: 'public',
    mac: macOf(row.id, 0),
    ipv4: { ip_address: row.public_ipv4, netmask, gateway },
  };
  if (row.public_ipv6 === null) return outside;
  const ipv6 = splitRange(network.ipv6);
  return {
    ...outside,
    ipv6: { ip_address: row.public_ipv6, cidr: ipv6.prefix, gateway: ipv6.gateway },
  };
}
