/**
 * Address management: every address of a pool is given to at most one droplet. A pool is a range: the public
 * network, or a VPC's. Rows are made in chunks as a pool is used, so that concurrent creates lock one row each.
 */
import ipaddr from 'ipaddr.js';
import { sql } from 'kysely';
import { unprocessable } from '../../http/errors.ts';
import type { Queryable, Tx } from '../../store/store.ts';

export const publicPool = 'public';
export const vpcPool = (vpcId: string): string => `vpc:${vpcId}`;

/** How many rows a pool grows by. */
const chunk = 1024;
/** The network's own address and the gateway (or what would be one) are never given out. */
export const firstOffset = 2;

/** Makes sure that a pool exists. Its range cannot change while addresses of it are held. */
export async function ensurePool(db: Queryable, pool: string, range: string): Promise<void> {
  await db
    .insertInto('address_pools')
    .values({ pool, range, next: firstOffset })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/**
 * Adds a chunk of free addresses to a pool. Waits for another transaction that does the same, and does nothing
 * if that one has left some free.
 * @throws ApiError 422 where the range is used up
 */
export async function growPool(tx: Tx, pool: string): Promise<void> {
  const { range, next } = await tx
    .selectFrom('address_pools')
    .selectAll()
    .where('pool', '=', pool)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const free = await tx
    .selectFrom('addresses')
    .select('ip')
    .where('pool', '=', pool)
    .where('droplet_id', 'is', null)
    .limit(1)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  if (free) return;
  // The last address is the broadcast address.
  const size = rangeSize(range) - 1;
  const end = Math.min(next + chunk, size);
  if (next >= end) throw unprocessable(exhausted(pool, range));
  await sql`insert into addresses (pool, ip)
    select ${pool}, host(${range}::cidr)::inet + n from generate_series(${next}::bigint, ${end - 1}::bigint) n`.execute(
    tx,
  );
  await tx.updateTable('address_pools').set({ next: end }).where('pool', '=', pool).execute();
}

/** Takes a droplet's addresses back into their pools. */
export async function releaseAddresses(db: Queryable, dropletId: number, at: Date): Promise<void> {
  await db
    .updateTable('addresses')
    .set({ droplet_id: null, released_at: at })
    .where('droplet_id', '=', dropletId)
    .execute();
}

/** The IPv6 address that goes with an IPv4 address: the same offset in the IPv6 range. */
export function pairedIpv6(ipv4: string, ipv4Range: string, ipv6Range: string): string {
  const offset = toNumber(ipv4) - toNumber(splitRange(ipv4Range).address);
  const bytes = ipaddr.IPv6.parse(splitRange(ipv6Range).address).toByteArray();
  for (let index = 0, rest = offset; index < 4; index++, rest = Math.floor(rest / 256)) {
    bytes[15 - index] = (bytes[15 - index] ?? 0) + (rest % 256);
  }
  return ipaddr.fromByteArray(bytes).toString();
}

/** A range taken apart: its first address, prefix length, dotted mask and gateway (the first usable address). */
export function splitRange(range: string): {
  address: string;
  prefix: number;
  netmask: string;
  gateway: string;
} {
  const [parsed, prefix] = ipaddr.parseCIDR(range);
  if (parsed.kind() === 'ipv6') {
    const network = ipaddr.IPv6.networkAddressFromCIDR(range);
    const bytes = network.toByteArray();
    bytes[15] = (bytes[15] ?? 0) + 1;
    return {
      address: network.toString(),
      prefix,
      netmask: '',
      gateway: ipaddr.fromByteArray(bytes).toString(),
    };
  }
  const network = ipaddr.IPv4.networkAddressFromCIDR(range);
  const bytes = network.toByteArray();
  bytes[3] = (bytes[3] ?? 0) + 1;
  return {
    address: network.toString(),
    prefix,
    netmask: ipaddr.IPv4.subnetMaskFromPrefixLength(prefix).toString(),
    gateway: ipaddr.fromByteArray(bytes).toString(),
  };
}

const toNumber = (ipv4: string): number =>
  ipaddr.IPv4.parse(ipv4)
    .toByteArray()
    .reduce((sum, byte) => sum * 256 + byte, 0);

const rangeSize = (range: string): number => 2 ** (32 - splitRange(range).prefix);

const exhausted = (pool: string, range: string): string =>
  pool === publicPool
    ? `No public address is free in ${range}. Destroy a Droplet that is no longer needed.`
    : `The VPC has no free address in ${range}. Choose another vpc_uuid or destroy a Droplet in this one.`;
