import { sql } from 'kysely';
import { type Static, Type } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Queryable } from '../../store/store.ts';
import { type TaggableType, taggableTypes } from '../product.ts';
import type { Tag } from './tagging.ts';
import { taggable } from './types.ts';

const Statistics = {
  count: Type.Integer({ minimum: 0 }),
  last_tagged_uri: Type.Optional(Type.String()),
};

export const TagSchema = Type.Object({
  name: Type.String(),
  resources: Type.Object({
    ...Statistics,
    ...Object.fromEntries(
      taggableTypes.map((type) => [taggable[type].plural, Type.Optional(Type.Object(Statistics))]),
    ),
  }),
});

export type TagView = Static<typeof TagSchema>;

/** Whether the caller's token has a scope. */
export const holds = (caller: Caller, scope: string): boolean =>
  caller.scopes.includes('*') || caller.scopes.includes(scope);

interface Counted {
  tag_id: number;
  resource_type: TaggableType;
  count: number;
  last_id: string;
  last_at: Date;
}

/** How many resources of each type have each of the tags, and which was tagged last. */
async function countsOf(db: Queryable, tagIds: number[], types: readonly TaggableType[]): Promise<Counted[]> {
  if (tagIds.length === 0 || types.length === 0) return [];
  return db
    .selectFrom('taggings')
    .select('tag_id')
    .select((eb) => [
      eb.ref('resource_type').$castTo<TaggableType>().as('resource_type'),
      eb.fn.countAll<number>().as('count'),
      eb.fn.max('tagged_at').as('last_at'),
      sql<string>`(array_agg(resource_id order by tagged_at desc, resource_id desc))[1]`.as('last_id'),
    ])
    .where(anyOf('tag_id', tagIds))
    .where(anyOf('resource_type', types))
    .groupBy(['tag_id', 'resource_type'])
    .execute();
}

/**
 * Tags as the API shows them, with the numbers of the resources they are on: of those types only that the caller may
 * read. `origin` begins the links.
 */
export async function tagViews(
  db: Queryable,
  request: { caller: Caller; origin: string },
  tags: readonly Tag[],
): Promise<TagView[]> {
  const types = taggableTypes.filter((type) => holds(request.caller, taggable[type].read));
  const counts = await countsOf(
    db,
    tags.map((tag) => tag.id),
    types,
  );
  const uri = (counted: Counted) =>
    `${request.origin}/v2/${taggable[counted.resource_type].path}/${counted.last_id}`;
  return tags.map((tag) => {
    const own = counts.filter((counted) => counted.tag_id === tag.id);
    const last = own.toSorted((a, b) => b.last_at.getTime() - a.last_at.getTime())[0];
    const byType = types.map((type) => {
      const counted = own.find((one) => one.resource_type === type);
      return [
        taggable[type].plural,
        counted ? { count: counted.count, last_tagged_uri: uri(counted) } : { count: 0 },
      ];
    });
    return {
      name: tag.name,
      resources: {
        count: own.reduce((sum, counted) => sum + counted.count, 0),
        ...(last && { last_tagged_uri: uri(last) }),
        ...Object.fromEntries(byType),
      },
    };
  });
}
