/** What a droplet's host must know of it: its address and its metadata document. */
import { digest } from '../../engine/node/digest.ts';
import type { HostDroplet, MetadataAddress, MetadataInterface } from '../../engine/node/port.ts';
import { splitRange } from '../addresses/index.ts';
import type { PublicNetwork } from '../context.ts';
import { macOf } from '../guest-ids.ts';
import type { DropletRow } from './row.ts';
import { vendorData } from './vendor-data.ts';

/** What of a droplet's row its host gets to know. */
type Told = Pick<
  DropletRow,
  | 'id'
  | 'name'
  | 'region'
  | 'image_id'
  | 'user_data'
  | 'root_password_hash'
  | 'public_keys'
  | 'tags'
  | 'public_ipv4'
  | 'public_ipv6'
  | 'private_ipv4'
  | 'vpc_range'
  | 'reserved_ipv4'
  | 'reserved_ipv6'
>;

/** A droplet that has all that an entry may have. */
const sample: Told = {
  id: 1,
  name: 'a',
  region: 'nyc3',
  image_id: 1,
  user_data: '#!/bin/sh',
  root_password_hash: '$7$',
  public_keys: ['ssh-ed25519 A'],
  tags: ['a'],
  public_ipv4: '10.0.0.2',
  public_ipv6: 'fd00::2',
  private_ipv4: '10.1.0.2',
  vpc_range: '10.1.0.0/20',
  reserved_ipv4: '10.2.0.2',
  reserved_ipv6: 'fd01::2',
};

/**
 * A digest of what entries look like: another one where this code makes other entries of the same rows than the code of
 * before, or of another public network.
 */
export const entryShape = (network: PublicNetwork): string =>
  digest(hostEntry(sample, network)) +
  digest(hostEntry({ ...sample, public_ipv6: null, reserved_ipv4: null, reserved_ipv6: null }, network));

export function hostEntry(row: Told, network: PublicNetwork): HostDroplet {
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

function publicInterface(row: Told, network: PublicNetwork): MetadataInterface {
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
