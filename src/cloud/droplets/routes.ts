import { Type } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { invalid, notFound } from '../../http/errors.ts';
import { listOperation, slicePage } from '../../http/list.ts';
import { type Operation, operation, RawJson, type Request } from '../../http/operation.ts';
import {
  maxPerPage,
  type Page,
  PageEnvelope,
  PageQuery,
  pageLinks,
  pageOf,
  paginated,
} from '../../http/pagination.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { Store } from '../../store/store.ts';
import { actionHistory, actionView, beginOperation } from '../actions/index.ts';
import type { CloudContext } from '../context.ts';
import { actOnDroplet, actOnTagged } from './act.ts';
import { createDroplets } from './create.ts';
import { deleteDroplet, deleteTagged } from './destroy.ts';
import { type DropletVersion, listDroplets, listNeighbours } from './list.ts';
import {
  ActionsAnswer,
  DropletActionRequest,
  DropletCreate,
  DropletCreated,
  DropletId,
  DropletListQuery,
  DropletSchema,
  TagQuery,
} from './schema.ts';
import { dropletTexts, dropletViewsOf } from './view.ts';

export interface DropletsDeps {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  context: CloudContext;
}

const DropletPage = Type.Object({ droplets: Type.Array(DropletSchema), ...PageEnvelope });
const OptionalTag = Type.Object({ tag_name: Type.Optional(Type.String()) });

/** What droplets have on DigitalOcean and never have here: kernels to choose; and firewalls, until there are any. */
function emptyLists(visible: (caller: Caller, id: number) => Promise<unknown>): Operation[] {
  const list = (key: 'kernels' | 'firewalls', scope: string) =>
    listOperation({
      id: `droplets_list_${key}`,
      path: `/v2/droplets/{droplet_id}/${key}`,
      summary: `List the ${key} of a droplet`,
      scopes: [scope],
      params: DropletId,
      key,
      item: Type.Unknown(),
      async list({ caller, params }, page) {
        await visible(caller, params.droplet_id);
        return slicePage([], page);
      },
    });
  return [list('kernels', 'droplet:read'), list('firewalls', 'firewall:read')];
}

/** The body of a list whose droplets are JSON text already. */
function pageOfDroplets(
  request: Pick<Request, 'origin' | 'url'>,
  page: Page,
  droplets: string[],
  total: number,
): RawJson {
  const rest = JSON.stringify({ links: pageLinks(request, page, total), meta: { total } });
  return new RawJson(`{"droplets":[${droplets.join(',')}],${rest.slice(1)}`);
}

export function dropletsOperations(deps: DropletsDeps): Operation[] {
  const { store } = deps;
  const texts = dropletTexts(deps.context);

  /** The id and version of a droplet of the caller's. @throws ApiError 404 */
  async function visible({ teamId }: Caller, id: number): Promise<DropletVersion> {
    const { rows } = await store.pool.query<DropletVersion>({
      name: 'droplet-visible',
      text: 'select id, version from droplets where id = $1 and team_id = $2 and deleted_at is null',
      values: [id, teamId],
    });
    if (!rows[0]) throw notFound();
    return rows[0];
  }

  return [
    operation({
      id: 'droplets_list',
      method: 'GET',
      path: '/v2/droplets',
      summary: 'List all droplets, by tag, by name, or by type',
      scopes: ['droplet:read'],
      query: DropletListQuery,
      status: 200,
      response: DropletPage,
      async handler(request) {
        const { tag_name: tag, name, type } = request.query;
        if (tag && name) throw invalid('name', 'cannot be combined with tag_name: filter by one of them.');
        const page = pageOf(request.query);
        // There are no GPUs here, so no droplet has one.
        if (type === 'gpus') return paginated(request, page, 'droplets', [], 0);
        const filter = { teamId: request.caller.teamId, ...(tag ? { tag } : name ? { name } : {}) };
        const { rows, total } = await listDroplets(store.pool, filter, page);
        return pageOfDroplets(request, page, await texts.of(store.db, rows), total);
      },
    }),
    operation({
      id: 'droplets_create',
      method: 'POST',
      path: '/v2/droplets',
      summary: 'Create a droplet, or several by names',
      scopes: ['droplet:create'],
      body: DropletCreate,
      status: 202,
      response: DropletCreated,
      async handler(request) {
        const created = await createDroplets(deps, request);
        const droplets = await dropletViewsOf(store.db, created.droplets, deps.context);
        const many = Boolean(request.body.names?.length);
        const actions = created.actionIds.map((id) => ({
          id,
          rel: many ? 'multiple_create' : 'create',
          href: `${request.origin}/v2/actions/${id}`,
        }));
        return { ...(many ? { droplets } : { droplet: droplets[0] }), links: { actions } };
      },
    }),
    operation({
      id: 'droplets_destroy_byTag',
      method: 'DELETE',
      path: '/v2/droplets',
      summary: 'Delete all droplets with a tag',
      scopes: ['droplet:delete'],
      query: OptionalTag,
      status: 204,
      async handler(request) {
        if (!request.query.tag_name)
          throw invalid('tag_name', 'is missing: it says which droplets to delete.');
        await deleteTagged(deps, request, request.query.tag_name);
      },
    }),
    operation({
      id: 'droplets_get',
      method: 'GET',
      path: '/v2/droplets/{droplet_id}',
      summary: 'Get a droplet',
      scopes: ['droplet:read'],
      params: DropletId,
      status: 200,
      response: Type.Object({ droplet: DropletSchema }),
      async handler(request) {
        const [text] = await texts.of(store.db, [await visible(request.caller, request.params.droplet_id)]);
        if (text === undefined) throw notFound();
        return new RawJson(`{"droplet":${text}}`);
      },
    }),
    operation({
      id: 'droplets_destroy',
      method: 'DELETE',
      path: '/v2/droplets/{droplet_id}',
      summary: 'Delete a droplet',
      scopes: ['droplet:delete'],
      params: DropletId,
      status: 204,
      handler: (request) => deleteDroplet(deps, request, request.params.droplet_id),
    }),
    operation({
      id: 'droplets_list_neighbors',
      method: 'GET',
      path: '/v2/droplets/{droplet_id}/neighbors',
      summary: 'List the droplets on the same host',
      scopes: ['droplet:read'],
      params: DropletId,
      query: PageQuery,
      status: 200,
      response: DropletPage,
      async handler(request) {
        const own = await visible(request.caller, request.params.droplet_id);
        // The published operation has no pages, so that clients ask once: without these parameters a page is as long
        // as one can be.
        const page = pageOf({ per_page: maxPerPage, ...request.query });
        const { rows, total } = await listNeighbours(store.db, request.caller.teamId, own.id, page);
        return pageOfDroplets(request, page, await texts.of(store.db, rows), total);
      },
    }),
    ...emptyLists(visible),
    beginOperation({
      id: 'dropletActions_post',
      path: '/v2/droplets/{droplet_id}/actions',
      summary: 'Begin an action on a droplet',
      scopes: ['droplet:update'],
      params: DropletId,
      body: DropletActionRequest,
      status: 201,
      act: (request) => actOnDroplet(deps, request, request.params.droplet_id),
    }),
    operation({
      id: 'dropletActions_post_byTag',
      method: 'POST',
      path: '/v2/droplets/actions',
      summary: 'Begin an action on all droplets with a tag',
      scopes: ['droplet:update'],
      query: TagQuery,
      body: DropletActionRequest,
      status: 201,
      response: ActionsAnswer,
      async handler(request) {
        return { actions: (await actOnTagged(deps, request, request.query.tag_name)).map(actionView) };
      },
    }),
    ...actionHistory({
      store,
      ids: 'dropletActions',
      path: '/v2/droplets/{droplet_id}',
      params: DropletId,
      scopes: ['droplet:read'],
      name: 'a droplet',
      types: ['droplet'],
      resourceId: ({ droplet_id }) => String(droplet_id),
      visible: ({ droplet_id }, caller) => visible(caller, droplet_id),
    }),
  ];
}
