import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { type Asked, type Change, command } from '../../control/command.ts';
import { ApiError, notFound, quoted } from '../../http/errors.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store, Tx } from '../../store/store.ts';
import { type TaggableResources, type TaggableType, taggableTypes } from '../product.ts';
import { checkTagName } from './names.ts';
import { ensureTags, findTag, type Tag, tagResources, tagUrn } from './tagging.ts';
import { taggable } from './types.ts';
import { holds } from './view.ts';

export interface TagsDeps {
  store: Store;
  clock: Clock;
  resources: TaggableResources;
}

export interface Resource {
  type: TaggableType;
  id: string;
}

const changeOf = ({ type, id }: Resource): Change => ({
  urn: `do:${taggable[type].urn}:${id}`,
  change: 'changed',
  besides: true,
});

/** A tag shows how many have it. */
const changeBy = (changes: readonly Change[]) => (changes.length > 0 ? 'changed' : null);

/** Makes a tag; one that is there already, whatever the case of its letters, is answered as it is. */
export function createTag(deps: TagsDeps, request: Asked, name: string): Promise<Tag> {
  return command(deps, request, 'tags_create', async ({ tx, changed }) => {
    const [tag] = await ensureTags(tx, request.caller.teamId, [name], deps.clock);
    if (!tag) throw new Error(`Tag ${name} was neither found nor made.`);
    changed({ urn: tagUrn(tag), change: tag.made ? 'created' : null });
    return tag;
  });
}

/** Deletes a tag and takes it off what has it; the resources stay. @throws ApiError 404 */
export function deleteTag(deps: TagsDeps, request: Asked, name: string): Promise<void> {
  return command(deps, request, 'tags_delete', async ({ tx, changed }) => {
    const tag = await lockTag(tx, request.caller.teamId, name);
    const tagged = await tx
      .selectFrom('taggings')
      .select((eb) => [eb.ref('resource_type').$castTo<TaggableType>().as('type'), 'resource_id as id'])
      .where('tag_id', '=', tag.id)
      .execute();
    await hold(tx, deps, request.caller, tagged);
    await tx.deleteFrom('tags').where('id', '=', tag.id).execute();
    changed({ urn: tagUrn(tag), change: 'deleted' });
    for (const resource of tagged) changed(changeOf(resource));
  });
}

/**
 * Puts a tag on all of the resources or, where one is wrong, on none. A tag that is not there yet is made, as
 * doctl promises of `droplet tag`.
 * @throws ApiError 404 for a resource the team has not, 422 for a name that no tag can have, 403 where the token
 * may not change a resource
 */
export async function assignTag(
  deps: TagsDeps,
  request: Asked,
  name: string,
  resources: readonly Resource[],
): Promise<void> {
  mayChange(request.caller, resources);
  checkTagName('tag', name);
  await command(deps, request, 'tags_assign_resources', async ({ tx, changed }) => {
    const [tag] = await ensureTags(tx, request.caller.teamId, [name], deps.clock);
    if (!tag) throw new Error(`Tag ${name} was neither found nor made.`);
    const held = await hold(tx, deps, request.caller, resources);
    for (const [index, { type, id }] of resources.entries()) {
      if (held.get(type)?.has(id)) continue;
      throw notFound(`resources[${index}]: you have no ${type} with the id ${quoted(id)}.`);
    }
    const changes: Change[] = [];
    for (const [type, stored] of held) {
      const tagged = await tagResources(tx, [tag], type, [...new Set(stored.values())], deps.clock);
      changes.push(...tagged.map(({ id }) => changeOf({ type, id })));
    }
    changed({ urn: tagUrn(tag), change: tag.made ? 'created' : changeBy(changes) }, ...changes);
  });
}

/** Takes a tag off resources; off what does not have it, nothing is taken. @throws ApiError 404 for the tag, 403 */
export async function unassignTag(
  deps: TagsDeps,
  request: Asked,
  name: string,
  resources: readonly Resource[],
): Promise<void> {
  mayChange(request.caller, resources);
  await command(deps, request, 'tags_unassign_resources', async ({ tx, changed }) => {
    const tag = await lockTag(tx, request.caller.teamId, name);
    const changes: Change[] = [];
    // What loses a tag changes by that: it is locked first, as by everybody else.
    for (const [type, held] of await hold(tx, deps, request.caller, resources)) {
      const ids = [...held.values()];
      if (ids.length === 0) continue;
      const untagged = await tx
        .deleteFrom('taggings')
        .where('tag_id', '=', tag.id)
        .where('resource_type', '=', type)
        .where(anyOf('resource_id', ids))
        .returning('resource_id as id')
        .execute();
      changes.push(...untagged.map(({ id }) => changeOf({ type, id })));
    }
    changed({ urn: tagUrn(tag), change: changeBy(changes) }, ...changes);
  });
}

/** The tag, kept from being deleted by another until the transaction ends. */
async function lockTag(tx: Tx, teamId: string, name: string): Promise<Tag> {
  const tag = await findTag(tx, teamId, name);
  const locked =
    tag && (await tx.selectFrom('tags').select('id').where('id', '=', tag.id).forUpdate().executeTakeFirst());
  if (!tag || !locked) throw notFound();
  return tag;
}

/** To tag a resource changes it: DigitalOcean asks for its type's update scope besides the tag's. */
function mayChange(caller: Caller, resources: readonly Resource[]): void {
  for (const { type } of resources) {
    const scope = taggable[type].update;
    if (!holds(caller, scope)) {
      throw new ApiError('forbidden', `This token lacks the scope ${scope}, which is needed here.`);
    }
  }
}

/** Of each type the team's resources among these, kept from being deleted until the transaction ends. */
async function hold(
  tx: Tx,
  { resources: products }: TagsDeps,
  { teamId }: Caller,
  resources: readonly Resource[],
): Promise<Map<TaggableType, ReadonlyMap<string, string>>> {
  const held = new Map<TaggableType, ReadonlyMap<string, string>>();
  const groups = byType(resources);
  // In the order of the types, the same for everybody.
  for (const type of taggableTypes) {
    const ids = groups.get(type);
    held.set(type, (ids && (await products[type]?.(tx, teamId, ids))) ?? new Map());
  }
  return held;
}

function byType(resources: readonly Resource[]): Map<TaggableType, string[]> {
  const groups = new Map<TaggableType, string[]>();
  for (const { type, id } of resources) groups.set(type, [...(groups.get(type) ?? []), id]);
  return groups;
}
