import type { Family } from '../addresses/index.ts';

/** The API's products that reserved addresses are behind: one behaviour under three names and paths. */
export interface Product {
  family: Family;
  /** Where it is, and what one is called in bodies; lists take an `s` more. */
  path: string;
  key: string;
  /** What operation ids begin with, and those of its actions. */
  operations: string;
  actions: string;
  resourceType: string;
  /** In sentences. */
  name: string;
  /** How a request names the region. */
  regionField: string;
}

export const reservedIp: Product = {
  family: 4,
  path: '/v2/reserved_ips',
  key: 'reserved_ip',
  operations: 'reservedIPs',
  actions: 'reservedIPsActions',
  resourceType: 'reserved_ip',
  name: 'reserved IP',
  regionField: 'region',
};

/** The older name of reserved IPs, for clients that still use it. */
export const floatingIp: Product = {
  ...reservedIp,
  path: '/v2/floating_ips',
  key: 'floating_ip',
  operations: 'floatingIPs',
  actions: 'floatingIPsAction',
  resourceType: 'floating_ip',
  name: 'floating IP',
};

export const reservedIpv6: Product = {
  family: 6,
  path: '/v2/reserved_ipv6',
  key: 'reserved_ipv6',
  operations: 'reservedIPv6',
  actions: 'reservedIPv6Actions',
  resourceType: 'reserved_ipv6',
  name: 'reserved IPv6',
  regionField: 'region_slug',
};
