import { type Static, Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { selectPage } from '../../store/page.ts';
import { taggableTypes } from '../product.ts';
import { assignTag, createTag, deleteTag, type Resource, type TagsDeps, unassignTag } from './commands.ts';
import { maxTagLength, tagPattern } from './names.ts';
import { findTag } from './tagging.ts';
import { TagSchema, tagViews } from './view.ts';

const params = Type.Object({ tag_id: Type.String({ description: 'The name of the tag.' }) });
const OneTag = Type.Object({ tag: TagSchema });

const TagCreate = Type.Object({
  name: Type.String({
    minLength: 1,
    maxLength: maxTagLength,
    pattern: tagPattern,
    patternMessage: 'may have letters, digits, colons, dashes and underscores only',
  }),
});

const TagResources = Type.Object({
  resources: Type.Array(
    Type.Object({
      resource_id: Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Integer()]),
      resource_type: Type.Enum([...taggableTypes]),
    }),
    { minItems: 1, maxItems: 500 },
  ),
});

const resourcesOf = (body: Static<typeof TagResources>): Resource[] =>
  body.resources.map(({ resource_type, resource_id }) => ({ type: resource_type, id: String(resource_id) }));

/** Tags: list, create, get, delete, and putting them on resources and taking them off. */
export function tagsOperations(deps: TagsDeps): Operation[] {
  const { store } = deps;
  return [
    listOperation({
      id: 'tags_list',
      path: '/v2/tags',
      summary: 'List all tags',
      scopes: ['tag:read'],
      key: 'tags',
      item: TagSchema,
      async list(request, page) {
        const ofTeam = store.db.selectFrom('tags').where('team_id', '=', request.caller.teamId);
        const { rows, total } = await selectPage(ofTeam.selectAll().orderBy('id'), page);
        return { rows: await tagViews(store.db, request, rows), total };
      },
    }),
    operation({
      id: 'tags_create',
      method: 'POST',
      path: '/v2/tags',
      summary: 'Create a tag',
      scopes: ['tag:create'],
      body: TagCreate,
      status: 201,
      response: OneTag,
      async handler(request) {
        const tag = await createTag(deps, request, request.body.name);
        const [view] = await tagViews(store.db, request, [tag]);
        return { tag: view };
      },
    }),
    operation({
      id: 'tags_get',
      method: 'GET',
      path: '/v2/tags/{tag_id}',
      summary: 'Get a tag',
      scopes: ['tag:read'],
      params,
      status: 200,
      response: OneTag,
      async handler(request) {
        const tag = await findTag(store.db, request.caller.teamId, request.params.tag_id);
        if (!tag) throw notFound();
        const [view] = await tagViews(store.db, request, [tag]);
        return { tag: view };
      },
    }),
    operation({
      id: 'tags_delete',
      method: 'DELETE',
      path: '/v2/tags/{tag_id}',
      summary: 'Delete a tag',
      scopes: ['tag:delete'],
      params,
      status: 204,
      handler: (request) => deleteTag(deps, request, request.params.tag_id),
    }),
    operation({
      id: 'tags_assign_resources',
      method: 'POST',
      path: '/v2/tags/{tag_id}/resources',
      summary: 'Tag resources',
      scopes: ['tag:create'],
      params,
      body: TagResources,
      status: 204,
      handler: (request) => assignTag(deps, request, request.params.tag_id, resourcesOf(request.body)),
    }),
    operation({
      id: 'tags_unassign_resources',
      method: 'DELETE',
      path: '/v2/tags/{tag_id}/resources',
      summary: 'Untag resources',
      scopes: ['tag:delete'],
      params,
      body: TagResources,
      status: 204,
      handler: (request) => unassignTag(deps, request, request.params.tag_id, resourcesOf(request.body)),
    }),
  ];
}
