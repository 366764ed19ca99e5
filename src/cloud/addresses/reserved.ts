/**
 * Reserved addresses, v4 and v6: ranges of their own, of which a team holds addresses one by one, each a row of
 * `reserved_ips`. They are few and taken seldom, so that whoever takes one holds its pool until the commit.
 */
import { type RawBuilder, sql } from 'kysely';
import { endAction } from '../../control/actions.ts';
import type { Change } from '../../control/command.ts';
import { quarantinedNamesSql } from '../../control/quarantine.ts';
import { unprocessable } from '../../http/errors.ts';
import type { Tx } from '../../store/store.ts';
import type { ReservedNetwork } from '../context.ts';
import { ensurePool, firstOffset, splitRange } from './pools.ts';

export type Family = 4 | 6;

/** What addresses that the host has in force are called in quarantine. */
export const reservedAddressKind = 'reserved address';

/** What the loop calls a reserved address; its id is the address. */
export const reservedIpKind = 'reserved_ip';

export const reservedIpUrn = (ip: string): string =>
  `do:${ip.includes(':') ? 'reservedipv6' : 'reservedip'}:${ip}`;

/** More than anybody reserves: of an IPv6 range only the first of this many are given out. */
const mostAddresses = 2 ** 32;

const poolOf = (family: Family) => (family === 4 ? 'reserved' : 'reserved6');

/**
 * An address of the range that nobody holds, nor anything in quarantine, those released last coming last. It is the caller's to put into
 * `reserved_ips` in the same transaction; whoever else takes one waits for that.
 * @throws ApiError 422 where all are held
 */
export async function takeReserved(tx: Tx, family: Family, network: ReservedNetwork): Promise<string> {
  const pool = poolOf(family);
  await ensurePool(tx, pool, family === 4 ? network.ipv4 : network.ipv6);
  const { range, next } = await tx
    .selectFrom('address_pools')
    .select(['range', 'next'])
    .where('pool', '=', pool)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const usable = usableAddresses(range, family);
  const inQuarantine = quarantinedNamesSql(reservedAddressKind);
  // Among one more candidates than are held, one is free.
  const { rows } = await sql<{ ip: string; offset: number }>`
    select ip, "offset" from (
      select n, ${at(range, sql`candidate`)} as ip, candidate as "offset"
      from (select (select count(*) from reserved_ips where ip <<= ${range}::inet)
          + (select count(*) from (${inQuarantine}) names) as held) counted,
        lateral (select n, ${firstOffset} + (${next - firstOffset}::bigint + n) % ${usable}::bigint as candidate
          from generate_series(0, least(held, ${usable - 1}::bigint)) n) candidates
    ) candidates
    where not exists (select from reserved_ips r where r.ip = candidates.ip::inet)
      and not exists (select from (${inQuarantine}) held where held.name = candidates.ip)
    order by n limit 1`.execute(tx);
  const free = rows[0];
  if (!free) {
    throw unprocessable(
      `No reserved ${family === 4 ? 'IP' : 'IPv6'} is free in ${range}. Release one that is no longer needed.`,
    );
  }
  await tx
    .updateTable('address_pools')
    .set({ next: free.offset + 1 })
    .where('pool', '=', pool)
    .execute();
  return free.ip;
}

/**
 * Takes the reserved addresses off a droplet that is being deleted, in its transaction. The team keeps them; what
 * was pending on them errs. Answers what changes by that.
 */
export async function releaseReservedIps(tx: Tx, dropletId: number, at: Date): Promise<Change[]> {
  const held = await tx
    .selectFrom('reserved_ips')
    .select(['ip', 'pending_action_id'])
    .where('droplet_id', '=', dropletId)
    .orderBy('ip')
    .forUpdate()
    .execute();
  for (const { ip, pending_action_id } of held) {
    if (pending_action_id !== null) {
      const message = 'The Droplet was destroyed before this was done.';
      await endAction(tx, pending_action_id, { status: 'errored', at, message });
    }
    await tx
      .updateTable('reserved_ips')
      .set({ droplet_id: null, pending_action_id: null })
      .where('ip', '=', ip)
      .execute();
  }
  return held.map(({ ip }) => ({
    urn: reservedIpUrn(ip),
    change: 'changed',
    besides: true,
    wake: [reservedIpKind, ip],
  }));
}

/** SQL for the reserved address that leads to a droplet; null where none does. `droplet`: the column of its id. */
export const reservedIpOf = (family: Family, droplet: string): RawBuilder<string | null> =>
  sql<string | null>`(select host(ip) from reserved_ips r where r.droplet_id = ${sql.ref(droplet)}
    and family(ip) = ${sql.lit(family)} and r.deleted_at is null)`;

/** Raises the versions of all reserved addresses, for hosts that have seen newer ones. */
export async function raiseReservedVersions(tx: Tx): Promise<void> {
  await sql`update reserved_ips set version = version`.execute(tx);
}

const at = (range: string, offset: RawBuilder<unknown>): RawBuilder<string> =>
  sql<string>`host(host(${range}::cidr)::inet + ${offset})`;

/** All but the first two, and of IPv4 the last: the same that no network has for its members. */
function usableAddresses(range: string, family: Family): number {
  const size = 2 ** ((family === 4 ? 32 : 128) - splitRange(range).prefix);
  return Math.min(size - (family === 4 ? 1 : 0), mostAddresses) - firstOffset;
}
