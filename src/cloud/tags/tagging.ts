import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import type { Change } from '../../control/command.ts';
import type { Tags } from '../../store/schema.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import type { TaggableType } from '../product.ts';

export type Tag = Selectable<Tags>;

/** A tag that was there, or was made just now. */
export type EnsuredTag = Tag & { made: boolean };

export const tagUrn = ({ name }: Pick<Tag, 'name'>): string => `do:tag:${name}`;

/** What a command changes of tags, which show how many have them, by giving them to something new. */
export const tagsGiven = (tags: readonly EnsuredTag[]): Change[] =>
  tags.map((tag) => ({ urn: tagUrn(tag), change: tag.made ? 'created' : 'changed', besides: true }));

/** The same, by taking them off. */
export const tagsTaken = (names: readonly string[]): Change[] =>
  names.map((name) => ({ urn: tagUrn({ name }), change: 'changed', besides: true }));

const lowerName = sql<string>`lower(name)`;

/** The team's tag of this name; case does not matter. */
export function findTag(db: Queryable, teamId: string, name: string): Promise<Tag | undefined> {
  return db
    .selectFrom('tags')
    .selectAll()
    .where('team_id', '=', teamId)
    .where(lowerName, '=', name.toLowerCase())
    .executeTakeFirst();
}

/**
 * The team's tags of these names (checked and unique, see `checkTagNames`), in their order, those that are missing
 * made now. They keep the spelling they were first made with, and cannot be deleted before the transaction ends.
 */
export async function ensureTags(
  tx: Tx,
  teamId: string,
  names: readonly string[],
  clock: Clock,
): Promise<EnsuredTag[]> {
  if (names.length === 0) return [];
  const made = new Set<number>();
  const keys = names.map((name) => name.toLowerCase());
  for (;;) {
    const rows = await tx
      .selectFrom('tags')
      .selectAll()
      .where('team_id', '=', teamId)
      .where(sql<boolean>`${lowerName} = any(${keys})`)
      .forKeyShare()
      .execute();
    const found = new Map(rows.map((row) => [row.name.toLowerCase(), row]));
    const tags = keys.flatMap((key) => found.get(key) ?? []);
    if (tags.length === keys.length) return tags.map((tag) => ({ ...tag, made: made.has(tag.id) }));
    // Sorted, so that two transactions that make the same tags do not wait for each other.
    const missing = names.filter((name) => !found.has(name.toLowerCase())).sort();
    const inserted = await tx
      .insertInto('tags')
      .values(missing.map((name) => ({ team_id: teamId, name, created_at: clock.now() })))
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .execute();
    for (const { id } of inserted) made.add(id);
  }
}

/** Puts each of the tags on each of the resources; what has it already keeps it. Answers what has been given one. */
export async function tagResources(
  tx: Tx,
  tags: readonly { id: number }[],
  type: TaggableType,
  ids: readonly string[],
  clock: Clock,
): Promise<{ tagId: number; id: string }[]> {
  const tagged_at = clock.now();
  const values = tags.flatMap((tag) =>
    ids.map((id) => ({ tag_id: tag.id, resource_type: type, resource_id: id, tagged_at })),
  );
  if (values.length === 0) return [];
  return tx
    .insertInto('taggings')
    .values(values)
    .onConflict((conflict) => conflict.doNothing())
    .returning(['tag_id as tagId', 'resource_id as id'])
    .execute();
}

/** Takes all tags off a resource: for its deletion. The tags stay. Answers what a command changes of them by that. */
export async function untagResource(tx: Tx, type: TaggableType, id: string): Promise<Change[]> {
  const { rows } = await sql<{ name: string }>`${untagging(type, sql`${id}::text`)}`.execute(tx);
  return tagsTaken(rows.map(({ name }) => name));
}

/**
 * SQL that takes all tags off resources, for a statement that does more: rows of `resource_id` and the tag's `name`.
 * `ids`: a query for the resources' ids as text.
 */
export const untagging = (type: TaggableType, ids: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  delete from taggings using tags
  where tags.id = tag_id and resource_type = ${type} and resource_id in (${ids})
  returning resource_id, tags.name`;
