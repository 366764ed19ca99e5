import { Type } from 'typebox';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation, type Request } from '../../http/operation.ts';
import { selectPage } from '../../store/page.ts';
import { checkDangerous } from '../dangerous.ts';
import {
  type AutoscaleDeps,
  createPool,
  deletePool,
  deletePoolAndMembers,
  PoolRequest,
  poolNotFound,
  updatePool,
} from './commands.ts';
import { selectHistory } from './history.ts';
import { memberView, selectMembers } from './members.ts';
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
    listOperation({
      id: 'autoscalepools_list',
      path: '/v2/droplets/autoscale',
      summary: 'List all autoscale pools',
      scopes: ['droplet:read'],
      filters: { name: Type.Optional(Type.String()) },
      key: 'autoscale_pools',
      item: PoolSchema,
      list({ caller, query: { name } }, page) {
        let matching = selectPools(store.db)
          .where('team_id', '=', caller.teamId)
          .where('deleted_at', 'is', null);
        if (name !== undefined) matching = matching.where('name', '=', name);
        return selectPage(matching.orderBy('created_at').orderBy('id'), page);
      },
      view: poolView,
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
        checkDangerous(request, 'the Droplets of a pool');
        await deletePoolAndMembers(deps, request, request.params.autoscale_pool_id);
      },
    }),
    listOperation({
      id: 'autoscalepools_list_members',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}/members',
      summary: 'List the droplets of an autoscale pool',
      scopes: ['droplet:read'],
      params,
      key: 'droplets',
      item: MemberSchema,
      async list(request, page) {
        const { id, usage } = await visible(request);
        const { rows, total } = await selectPage(selectMembers(store.db, id), page);
        return { rows: rows.map((member) => memberView(member, usage)), total };
      },
    }),
    listOperation({
      id: 'autoscalepools_list_history',
      path: '/v2/droplets/autoscale/{autoscale_pool_id}/history',
      summary: 'List what an autoscale pool has decided, newest first',
      scopes: ['droplet:read'],
      params,
      key: 'history',
      item: HistorySchema,
      async list(request, page) {
        const { id } = await visible(request);
        return selectPage(selectHistory(store.db, id), page);
      },
      view: historyView,
    }),
  ];
}
