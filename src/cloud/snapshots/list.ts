/** Snapshots of droplets and of volumes as one collection. */
import { sql } from 'kysely';
import type { Listed } from '../../http/list.ts';
import type { PageOfRows } from '../../store/page.ts';
import type { Queryable } from '../../store/store.ts';
import { gigabytes } from '../gigabytes.ts';
import { tagsOf } from '../tags/index.ts';
import type { SnapshotView } from '../volumes/index.ts';
import { wireTime } from '../wire-time.ts';

export interface SnapshotFilter {
  teamId: string;
  type?: 'droplet' | 'volume' | undefined;
  region?: string | undefined;
  /** The id of the only one that is looked for. */
  id?: string;
}

interface Row extends Omit<SnapshotView, 'created_at' | 'size_gigabytes'> {
  created_at: Date;
  bytes: number | null;
}

/**
 * Both kinds in one shape. Of droplets those that are taken: the action tells of the others. A volume's has no
 * action, and is there at once.
 */
const snapshots = ({ teamId, type, region, id }: SnapshotFilter) => sql`
  select * from (
    select id::text, name, created_at, regions, coalesce(droplet_id, 0)::text as resource_id,
      'droplet' as resource_type, 'image' as tagged_as, min_disk_gib as min_disk_size, bytes
    from images
    where team_id = ${teamId} and type = 'snapshot' and status = 'available' and deleted_at is null
    union all
    select id::text, name, created_at, array[region], volume_id::text, 'volume', 'volume_snapshot', size_gib, bytes
    from volume_snapshots
    where team_id = ${teamId} and deleted_at is null
  ) each
  where (${type ?? null}::text is null or resource_type = ${type ?? null})
    and (${region ?? null}::text is null or ${region ?? null} = any(regions))
    and (${id ?? null}::text is null or id = ${id ?? null})`;

/** One page of a team's snapshots, oldest first, and how many there are. */
export async function listSnapshots(
  db: Queryable,
  filter: SnapshotFilter,
  page: PageOfRows,
): Promise<Listed<SnapshotView>> {
  const [{ rows }, { rows: counted }] = await Promise.all([
    sql<Row>`
      select found.id, name, created_at, regions, resource_id, resource_type, min_disk_size, bytes,
        ${tagsOf(sql`found.tagged_as`, 'found.id')} as tags
      from (${snapshots(filter)} order by created_at, id limit ${page.limit} offset ${page.offset}) found
      order by created_at, found.id`.execute(db),
    sql<{ total: number }>`select count(*) as total from (${snapshots(filter)}) found`.execute(db),
  ]);
  return { rows: rows.map(view), total: counted[0]?.total ?? 0 };
}

const view = ({ bytes, created_at, ...row }: Row): SnapshotView => ({
  ...row,
  created_at: wireTime(created_at),
  size_gigabytes: bytes ? gigabytes(bytes) : 0,
});
