/** SQL by which products show the tags of what is theirs, and find what has one. */
import { type RawBuilder, sql } from 'kysely';
import type { TaggableType } from '../product.ts';

/**
 * The names of a resource's tags, in their order.
 * @param type the resource's, or the column that has it
 * @param id the column of its id: `droplets.id`
 */
export const tagsOf = (type: TaggableType | RawBuilder<unknown>, id: string): RawBuilder<string[]> =>
  sql<string[]>`array(select tags.name from taggings join tags on tags.id = taggings.tag_id
    where taggings.resource_type = ${typeof type === 'string' ? sql.lit(type) : type}
      and taggings.resource_id = ${sql.ref(id)}::text order by tags.name)`;

/** A query for the ids, as text, of what a team has tagged with a tag, whatever the case of its letters. */
export const idsTagged = (type: TaggableType, teamId: string, tag: string): RawBuilder<unknown> =>
  sql`select resource_id from taggings join tags on tags.id = tag_id
    where tags.team_id = ${teamId} and lower(tags.name) = lower(${tag}) and resource_type = ${sql.lit(type)}`;
