import { sql } from 'kysely';
import type { Queryable } from '../../store/store.ts';

/** What a host is to do about a reserved address. */
export interface DesiredAddress {
  ip: string;
  team_id: string;
  /** The droplet's own address that it leads to. */
  target: string | null;
  /** The team has given it back. */
  released: boolean;
  version: number;
  droplet_id: number | null;
  pending_action_id: number | null;
}

const desired = (db: Queryable) =>
  db
    .selectFrom('reserved_ips as r')
    .leftJoin('droplets as d', 'd.id', 'r.droplet_id')
    .select(['r.ip', 'r.team_id', 'r.version', 'r.droplet_id', 'r.pending_action_id'])
    .select(
      sql<string | null>`host(case family(r.ip) when 4 then d.public_ipv4 else d.public_ipv6 end)`.as(
        'target',
      ),
    )
    .select(sql<boolean>`r.deleted_at is not null`.as('released'));

/** The desired state of an address; undefined where nobody holds it. */
export const desiredAddress = (db: Queryable, ip: string): Promise<DesiredAddress | undefined> =>
  desired(db).where('r.ip', '=', ip).executeTakeFirst();

/** The desired state of all addresses. */
export const desiredAddresses = (db: Queryable): Promise<DesiredAddress[]> => desired(db).execute();
