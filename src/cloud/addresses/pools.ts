/**
 * Address management: every address of a pool is given to at most one owner, who is known by its URN: a droplet, or a
 * machine of another product. A pool is a range: the public network, or a VPC's. Rows are made in chunks as a pool is
 * used, so that concurrent creates lock one row each.
 */
import ipaddr from 'ipaddr.js';
import { type RawBuilder, sql } from 'kysely';
import { type ApiError, unprocessable } from '../../http/errors.ts';
import type { Queryable, Store, Tx } from '../../store/store.ts';

export const publicPool = 'public';
export const vpcPool = (vpcId: string): string => `vpc:${vpcId}`;

/** How many rows a pool grows by. */
const chunk = 1024;
/** A pool with fewer free rows grows. It is more than all transactions of a process can be about to take at once. */
const enough = 512;
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
 * Adds a chunk of free addresses to a pool, which is made where it is missing, unless it has some by now. Not in the
 * transaction that needs one: all others that do would wait for its end.
 * @throws ApiError 422 where the range is used up
 */
export async function growPool(
  { dedicated }: Pick<Store, 'dedicated'>,
  pool: string,
  range: string,
): Promise<void> {
  if ((await freeOf(dedicated, pool)) >= enough) return;
  await ensurePool(dedicated, pool, range);
  await dedicated.transaction().execute(async (tx) => {
    const { next } = await tx
      .selectFrom('address_pools')
      .select('next')
      .where('pool', '=', pool)
      // Transactions that wait for this hold the key of the pool: they have changed addresses of it twice.
      .forNoKeyUpdate()
      .executeTakeFirstOrThrow();
    const free = await freeOf(tx, pool);
    // Another process has just grown it.
    if (free >= enough) return;
    // The last address is the broadcast address.
    const end = Math.min(next + chunk, rangeSize(range) - 1);
    if (next < end) {
      await sql`insert into addresses (pool, ip)
        select ${pool}, host(${range}::cidr)::inet + n from generate_series(${next}::bigint, ${end - 1}::bigint) n
        -- One that is held for something in quarantine has a row already.
        on conflict do nothing`.execute(tx);
      await tx.updateTable('address_pools').set({ next: end }).where('pool', '=', pool).execute();
    } else if (free === 0) throw exhausted(pool, range);
  });
}

/**
 * To be called with each address that was taken of a pool: grows it in good time, once in each chunk, so that nobody has
 * to wait for that. Where it cannot grow any more, whoever finds it dry is told.
 */
export function keepAhead(store: Pick<Store, 'dedicated'>, pool: string, range: string, taken: string): void {
  const offset = toNumber(taken) - toNumber(splitRange(range).address) - firstOffset;
  // Far enough below `enough` that addresses which are not committed yet do not hide it.
  if (offset % chunk !== chunk - enough / 2) return;
  growPool(store, pool, range).catch(() => {});
}

/** How many addresses of a pool are free, up to `enough`; those too that open transactions are about to take. */
async function freeOf(db: Queryable, pool: string): Promise<number> {
  const { rows } = await sql<{ free: number }>`select count(*) as free from
    (select from addresses where pool = ${pool} and owner is null limit ${sql.lit(enough)}) found`.execute(
    db,
  );
  return rows[0]?.free ?? 0;
}

/**
 * SQL that takes a free address of a pool, for a statement that does more. Its row is the address, `ip`; none where all
 * are taken.
 * @param taker a query's name, with one row, whose `owner` is the URN of who is to have it; see `releaseAddresses`
 */
export const takingAddress = (pool: string, taker: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  update addresses set owner = taker.owner, released_at = null from ${taker} as taker
  where pool = ${pool} and ip = (
    select ip from addresses where pool = ${pool} and owner is null
    order by released_at nulls first, ip limit 1 for update skip locked)
  returning host(ip)::inet as ip`;

/**
 * Takes a free address of a pool, which grows where it is dry.
 * @param owner the URN of whoever takes it
 * @throws ApiError 422 where the range is used up
 */
export async function takeAddress(
  tx: Tx,
  store: Pick<Store, 'dedicated'>,
  { pool, range, owner }: { pool: string; range: string; owner: string },
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const { rows } = await sql<{ ip: string }>`
      with taker as (select ${owner}::text as owner), taken as (${takingAddress(pool, sql`taker`)})
      select host(ip) as ip from taken`.execute(tx);
    const ip = rows[0]?.ip;
    if (ip !== undefined) return ip;
    // The last ones are being taken by others.
    if (attempt === 5) throw exhausted(pool, range);
    await growPool(store, pool, range);
  }
}

/** Gives back, in the transaction that took them, what `takingAddress` took: nobody has had them. */
export async function returnAddresses(tx: Tx, owner: RawBuilder<string>): Promise<void> {
  await sql`update addresses set owner = null where owner in (select ${owner})`.execute(tx);
}

/** Takes all addresses of an owner, known by its URN, back into their pools. */
export async function releaseAddresses(db: Queryable, owner: string, at: Date): Promise<void> {
  await db
    .updateTable('addresses')
    .set({ owner: null, released_at: at })
    .where('owner', '=', owner)
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

/** What to answer where a pool has run dry. */
export const exhausted = (pool: string, range: string): ApiError =>
  unprocessable(
    pool === publicPool
      ? `No public address is free in ${range}. Destroy a Droplet or another resource that is no longer needed.`
      : `The VPC has no free address in ${range}. Choose another vpc_uuid, or destroy a Droplet or another resource in this one.`,
  );
