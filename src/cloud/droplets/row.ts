/** A droplet as the database has it, with what its view and its host entry need. */
import { type Selectable, sql } from 'kysely';
import type { MachineSize } from '../../engine/compute/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { type Named, nameInEngine } from '../engine-name.ts';
import { findSize } from '../sizes/index.ts';

export type DropletRow = Selectable<Droplets> & {
  tags: string[];
  /** The range of its VPC. */
  vpc_range: string;
  volume_ids: string[];
  snapshot_ids: number[];
  backup_ids: number[];
  /** The images that are still to be kept of it. */
  pending_save_ids: number[];
  reserved_ipv4: string | null;
  reserved_ipv6: string | null;
};

/** The rows of these droplets, whoever owns them, in ascending order of id; ids without a droplet are left out. */
export const dropletRows = (db: Queryable, ids: number[]): Promise<DropletRow[]> =>
  selectDroplets(db).where(anyOf('droplets.id', ids)).orderBy('droplets.id').execute();

/**
 * The row of one droplet, whoever owns it. PostgreSQL keeps its plan for one key; for a list, whose length changes what
 * is cheapest, it makes a plan each time, which takes several times as long as the query itself.
 */
export const dropletRow = (db: Queryable, id: number): Promise<DropletRow | undefined> =>
  selectDroplets(db).where('droplets.id', '=', id).executeTakeFirst();

function selectDroplets(db: Queryable) {
  const reserved = (family: 4 | 6) =>
    sql<string | null>`(select host(ip) from reserved_ips r where r.droplet_id = droplets.id
      and family(ip) = ${sql.lit(family)} and r.deleted_at is null)`;
  return db
    .selectFrom('droplets')
    .innerJoin('vpcs', 'vpcs.id', 'droplets.vpc_id')
    .innerJoinLateral(imagesOfDroplet, (join) => join.onTrue())
    .selectAll(['droplets', 'saved'])
    .select('vpcs.ip_range as vpc_range')
    .select([
      sql<string[]>`array(select tags.name from taggings join tags on tags.id = taggings.tag_id
        where taggings.resource_type = 'droplet' and taggings.resource_id = droplets.id::text order by tags.name)`.as(
        'tags',
      ),
      sql<string[]>`array(select volumes.id::text from volumes where volumes.droplet_id = droplets.id
        and volumes.deleted_at is null order by volumes.created_at, volumes.id)`.as('volume_ids'),
      reserved(4).as('reserved_ipv4'),
      reserved(6).as('reserved_ipv6'),
    ]);
}

/** Its images by what they are, read once. */
const imagesOfDroplet = sql<Pick<DropletRow, 'snapshot_ids' | 'backup_ids' | 'pending_save_ids'>>`(
  select coalesce(array_agg(id order by id) filter (where status = 'available' and type = 'snapshot'), '{}') snapshot_ids,
    coalesce(array_agg(id order by id) filter (where status = 'available' and type = 'backup'), '{}') backup_ids,
    coalesce(array_agg(id order by id) filter (where status = 'pending'), '{}') pending_save_ids
  from images where images.droplet_id = droplets.id and images.deleted_at is null)`.as<'saved'>(sql`saved`);

/** CPUs, memory and disk of a droplet. The disk stays what it was made with until a resize makes it larger. */
export function machineSize(row: Pick<DropletRow, 'id' | 'size' | 'disk_gib'>): MachineSize {
  const size = findSize(row.size);
  if (!size) throw new Error(`droplet ${row.id} has size ${row.size}, which the catalogue lacks`);
  return { vcpus: size.vcpus, memoryMib: size.memory, diskGib: row.disk_gib ?? size.disk };
}

/** The machine's name in the engine. */
export const instanceName = (row: Named): string => nameInEngine('droplet', row);
