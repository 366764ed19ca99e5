import { sql } from 'kysely';
import { Type } from 'typebox';
import { invalid, notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageEnvelope, pageOf, paginated } from '../../http/pagination.ts';
import { actionRoutes } from './action-routes.ts';
import type { VolumesDeps } from './context.ts';
import { createVolume } from './create.ts';
import { deleteVolume } from './delete.ts';
import { findVolume, selectVolumes } from './row.ts';
import { VolumeCreate, VolumeId, VolumeListQuery, VolumeNameQuery, VolumeSchema } from './schema.ts';
import { snapshotRoutes } from './snapshot-routes.ts';
import { volumeView } from './view.ts';

const OneVolume = Type.Object({ volume: VolumeSchema });

/** Block storage: volumes, their actions and their snapshots. */
export function volumesOperations(deps: VolumesDeps): Operation[] {
  const { store } = deps;
  return [
    operation({
      id: 'volumes_list',
      method: 'GET',
      path: '/v2/volumes',
      summary: 'List all volumes, by name, by region, or by both',
      scopes: ['api:read', 'api:write', 'block_storage:read'],
      query: VolumeListQuery,
      status: 200,
      response: Type.Object({ volumes: Type.Array(VolumeSchema), ...PageEnvelope }),
      async handler(request) {
        const page = pageOf(request.query);
        const { name, region } = request.query;
        const own = store.db
          .selectFrom('volumes')
          .where('volumes.team_id', '=', request.caller.teamId)
          .where('volumes.deleted_at', 'is', null)
          .$if(name !== undefined, (query) => query.where('volumes.name', '=', name ?? ''))
          .$if(region !== undefined, (query) =>
            query.where('volumes.region', '=', region?.toLowerCase() ?? ''),
          );
        const [ids, { total }] = await Promise.all([
          own
            .select('id')
            .orderBy('created_at')
            .orderBy('id')
            .limit(page.limit)
            .offset(page.offset)
            .execute(),
          own.select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow(),
        ]);
        const rows = await selectVolumes(store.db)
          .where('volumes.id', '=', (any) => any.fn.any(any.val(ids.map(({ id }) => id))))
          .orderBy('volumes.created_at')
          .orderBy('volumes.id')
          .execute();
        return paginated(request, page, 'volumes', rows.map(volumeView), total);
      },
    }),
    operation({
      id: 'volumes_create',
      method: 'POST',
      path: '/v2/volumes',
      summary: 'Create a volume',
      scopes: ['api:write', 'block_storage:create'],
      body: VolumeCreate,
      status: 201,
      response: OneVolume,
      handler: async (request) => ({ volume: volumeView(await createVolume(deps, request)) }),
    }),
    operation({
      id: 'volumes_delete_byName',
      method: 'DELETE',
      path: '/v2/volumes',
      summary: 'Delete a volume by its name and region',
      scopes: ['block_storage:delete', 'api:write'],
      query: VolumeNameQuery,
      status: 204,
      async handler(request) {
        const { name, region } = request.query;
        if (!name) throw invalid('name', 'is missing: it says which volume to delete.');
        if (!region) throw invalid('region', 'is missing: it says where the volume is.');
        await deleteVolume(deps, { ...request, operation: 'volumes_delete_byName' }, { name, region });
      },
    }),
    operation({
      id: 'volumes_get',
      method: 'GET',
      path: '/v2/volumes/{volume_id}',
      summary: 'Get a volume',
      scopes: ['block_storage:read'],
      params: VolumeId,
      status: 200,
      response: OneVolume,
      async handler(request) {
        const row = await findVolume(store.db, request.caller, { id: request.params.volume_id });
        if (!row) throw notFound();
        return { volume: volumeView(row) };
      },
    }),
    operation({
      id: 'volumes_delete',
      method: 'DELETE',
      path: '/v2/volumes/{volume_id}',
      summary: 'Delete a volume',
      scopes: ['block_storage:delete'],
      params: VolumeId,
      status: 204,
      handler: (request) =>
        deleteVolume(deps, { ...request, operation: 'volumes_delete' }, { id: request.params.volume_id }),
    }),
    ...actionRoutes(deps),
    ...snapshotRoutes(deps),
  ];
}
