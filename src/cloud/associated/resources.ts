/** What belongs to a droplet and can be destroyed together with it. */
import { sql } from 'kysely';
import type { Queryable } from '../../store/store.ts';

/** The kinds, by the names that bodies give them. A floating IP is a reserved IP by its older name. */
export const kinds = ['reserved_ips', 'floating_ips', 'snapshots', 'volumes', 'volume_snapshots'] as const;
export type Kind = (typeof kinds)[number];

export interface Resource {
  kind: Kind;
  id: string;
  name: string;
}

/**
 * The resources of a droplet: its reserved address, its snapshots, the volumes that hang on it and theirs. A reserved
 * address is listed as reserved only, so that nothing is there twice.
 */
export async function resourcesOf(db: Queryable, dropletId: number): Promise<Resource[]> {
  const { rows } = await sql<Resource>`
    select 'reserved_ips' as kind, host(ip) as id, host(ip) as name from reserved_ips
      where droplet_id = ${dropletId} and family(ip) = 4 and deleted_at is null
    union all
    select 'snapshots', id::text, name from images
      where droplet_id = ${dropletId} and type = 'snapshot' and status = 'available' and deleted_at is null
    union all
    select 'volumes', id::text, name from volumes where droplet_id = ${dropletId} and deleted_at is null
    union all
    select 'volume_snapshots', s.id::text, s.name from volume_snapshots s join volumes v on v.id = s.volume_id
      where v.droplet_id = ${dropletId} and v.deleted_at is null and s.deleted_at is null
    order by 1, 2`.execute(db);
  return rows;
}
