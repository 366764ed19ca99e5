import { Type } from 'typebox';
import { ApiError } from '../../http/errors.ts';
import { type Operation, operation, type Request } from '../../http/operation.ts';
import { PageEnvelope, PageQuery, pageOf, pageParameters, paginated } from '../../http/pagination.ts';
import {
  type AutoscaleDeps,
  createPool,
  deletePool,
  deletePoolAndMembers,
  PoolRequest,
  poolNotFound,
  updatePool,
} from './commands.ts';
import { countMembers, memberView, poolMembers } from './members.ts';
import {
  findPool,
  HistorySchema,
  historyView,
  type Pool,
  PoolSchema,
  poolView,
  selectPools,
  UtilizationSchema,
} from './pool.ts';

const MemberSchema = Type.Object({
  droplet_id: Type.Integer(),
  created_at: Type.String({ format: 'date-time' }),
  updated_at: Type.String({ format: 'date-time' }),
  health_status: Type.Enum(['healthy', 'unhealthy']),
  unhealthy_reason: Type.Optional(Type.String()),
  status: Type.Enum(['provisioning', 'active', 'deleting', 'off']),
  current_utilization: UtilizationSchema,
});

const OnePool = Type.Object({ autoscale_pool: PoolSchema });
const params = Type.Object({ autoscale_pool_id: Type.String() });
const ListQuery = Type.Object({ ...pageParameters, name: Type.Optional(Type.String()) });

/** Autoscale pools of droplets, their members and their history. */
export function autoscaleOperations(deps: AutoscaleDeps): Operation[] {
  const { store } = deps;

  /** @throws ApiError 404 */
  async function visible({ caller, params: path }: Request<{ autoscale_pool_id: string }>): Promise<Pool> {
    const pool = await findPool(store.db, caller.teamId, path.autoscale_pool_id);
    if (!pool) throw poolNotFound(path.autoscale_pool_id);
    return pool;
  }

  return [
    operation({
      id: 'autoscalepools_list',
      method: 'GET',
      path: '/v2/droplets/autoscale',
      summary: 'List all autoscale pools',
      scopes: ['droplet:read'],
      query: ListQuery,
      status: 200,
      response: Type.Object({ autoscale_pools: Type.Array(PoolSchema), ...PageEnvelope }),
      async handler(request) {
        const page = pageOf(request.query);
        const { name } = request.query;
        let matching = selectPools(store.db)
          .where('team_id', '=', request.caller.teamId)
          .where('deleted_at', 'is', null);
        if (name !== undefined) matching = matching.where('name', '=', name);
        const [rows, { total }] = await Promise.all([
          matching.orderBy('created_at').orderBy('id').limit(page.limit).offset(page.offset).execute(),
          matching
            .clearSelect()
            .select((eb) => eb.fn.countAll<number>().as('total'))
            .executeTakeFirstOrThrow(),
        ]);
        return paginated(request, page, 'autoscale_pools', rows.map(poolView), total);
      },
    }),
    operation({
      id: 'autoscalepools_create',
      method: 'POST',
      path: '/v2/droplets/autoscale',
      summary: 'Create an autoscale pool',
      scopes: ['droplet:create'],
      body: PoolRequest,
      status: 202,
      response: OnePool,
      async handler(request) {
        return { autoscale_pool: poolView(await createPool(deps, request)) };
      },
    }),
    operation({
      id: 'autoscalepools_get',
      method: 'GET',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}',
      summary: 'Get an autoscale pool',
      scopes: ['droplet:read'],
      params,
      status: 200,
      response: OnePool,
      async handler(request) {
        return { autoscale_pool: poolView(await visible(request)) };
      },
    }),
    operation({
      id: 'autoscalepools_update',
      method: 'PUT',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}',
      summary: 'Change the size or the template of an autoscale pool',
      scopes: ['droplet:create'],
      params,
      body: PoolRequest,
      status: 200,
      response: OnePool,
      async handler(request) {
        const pool = await updatePool(deps, request, request.params.autoscale_pool_id);
        return { autoscale_pool: poolView(pool) };
      },
    }),
    operation({
      id: 'autoscalepools_delete',
      method: 'DELETE',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}',
      summary: 'Delete an autoscale pool and keep its droplets',
      scopes: ['droplet:delete'],
      params,
      status: 202,
      handler: (request) => deletePool(deps, request, request.params.autoscale_pool_id),
    }),
    operation({
      id: 'autoscalepools_delete_dangerous',
      method: 'DELETE',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}/dangerous',
      summary: 'Delete an autoscale pool and its droplets',
      scopes: ['droplet:delete'],
      params,
      status: 202,
      async handler(request) {
        await visible(request);
        if (String(request.headers['x-dangerous']).toLowerCase() !== 'true') {
          throw new ApiError(
            'bad_request',
            'The header X-Dangerous: true is needed to destroy the Droplets of a pool.',
          );
        }
        await deletePoolAndMembers(deps, request, request.params.autoscale_pool_id);
      },
    }),
    operation({
      id: 'autoscalepools_list_members',
      method: 'GET',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}/members',
      summary: 'List the droplets of an autoscale pool',
      scopes: ['droplet:read'],
      params,
      query: PageQuery,
      status: 200,
      response: Type.Object({ droplets: Type.Array(MemberSchema), ...PageEnvelope }),
      async handler(request) {
        const pool = await visible(request);
        const page = pageOf(request.query);
        const [members, total] = await Promise.all([
          poolMembers(store.db, pool.id, page),
          countMembers(store.db, pool.id),
        ]);
        const views = members.map((member) => memberView(member, pool.usage));
        return paginated(request, page, 'droplets', views, total);
      },
    }),
    operation({
      id: 'autoscalepools_list_history',
      method: 'GET',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}/history',
      summary: 'List what an autoscale pool has decided, newest first',
      scopes: ['droplet:read'],
      params,
      query: PageQuery,
      status: 200,
      response: Type.Object({ history: Type.Array(HistorySchema), ...PageEnvelope }),
      async handler(request) {
        const pool = await visible(request);
        const page = pageOf(request.query);
        const events = store.db.selectFrom('autoscale_history').where('pool_id', '=', pool.id);
        const [rows, { total }] = await Promise.all([
          events
            .selectAll()
            .orderBy('created_at', 'desc')
            .orderBy('id')
            .limit(page.limit)
            .offset(page.offset)
            .execute(),
          events.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
        ]);
        return paginated(request, page, 'history', rows.map(historyView), total);
      },
    }),
  ];
}
