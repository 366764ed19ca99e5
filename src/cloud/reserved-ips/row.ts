/** Reserved addresses as the database has them. */
import { isIPv4, isIPv6 } from 'node:net';
import { type Selectable, sql } from 'kysely';
import { notFound } from '../../http/errors.ts';
import type { ReservedIps } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import type { Family } from '../addresses/index.ts';

export type ReservedIpRow = Selectable<ReservedIps>;

const isOf = (family: Family) => sql<boolean>`family(ip) = ${sql.lit(family)}`;

/** A team's addresses of a family that are not released. */
export const selectReservedIps = (db: Queryable, teamId: string, family: Family) =>
  db
    .selectFrom('reserved_ips')
    .selectAll()
    .where('team_id', '=', teamId)
    .where(isOf(family))
    .where('deleted_at', 'is', null);

/** The text of a path as an address of the family. @throws ApiError 404 where it is none */
export function addressOf(text: string, family: Family): string {
  // A zone (fe80::1%eth0) is nothing that can be reserved, nor is it an address to PostgreSQL.
  const valid = family === 4 ? isIPv4(text) : isIPv6(text) && !text.includes('%');
  if (!valid) throw notFound();
  return text;
}

/** The team's address; `lock`: nobody else changes it until the transaction ends. @throws ApiError 404 */
export async function findReservedIp(
  db: Queryable,
  asked: { teamId: string; family: Family; ip: string },
  { lock = false } = {},
): Promise<ReservedIpRow> {
  const row = await selectReservedIps(db, asked.teamId, asked.family)
    .where('ip', '=', addressOf(asked.ip, asked.family))
    .$if(lock, (query) => query.forUpdate())
    .executeTakeFirst();
  if (!row) throw notFound();
  return row;
}
