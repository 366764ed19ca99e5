/** A droplet as the database has it, with what its view and its host entry need. */
import { type Selectable, sql } from 'kysely';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';

export type DropletRow = Selectable<Droplets> & {
  tags: string[];
  /** The range of its VPC. */
  vpc_range: string;
};

/** The rows of these droplets, whoever owns them, in ascending order of id; ids without a droplet are left out. */
export async function dropletRows(db: Queryable, ids: number[]): Promise<DropletRow[]> {
  return db
    .selectFrom('droplets')
    .innerJoin('vpcs', 'vpcs.id', 'droplets.vpc_id')
    .selectAll('droplets')
    .select('vpcs.ip_range as vpc_range')
    .select(
      sql<string[]>`array(select tags.name from taggings join tags on tags.id = taggings.tag_id
        where taggings.resource_type = 'droplet' and taggings.resource_id = droplets.id::text order by tags.name)`.as(
        'tags',
      ),
    )
    .where('droplets.id', 'in', ids)
    .orderBy('droplets.id')
    .execute();
}

export const dropletUrn = (id: number | string): string => `do:droplet:${id}`;
/** The machine's name in the engine. */
export const instanceName = (id: number | string): string => `droplet-${id}`;
