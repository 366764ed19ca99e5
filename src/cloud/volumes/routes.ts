import { Type } from 'typebox';
import { invalid, notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { actionRoutes } from './action-routes.ts';
import type { VolumesDeps } from './context.ts';
import { createVolume } from './create.ts';
import { deleteVolume } from './delete.ts';
import { listVolumes } from './list.ts';
import { findVolume } from './row.ts';
import { VolumeCreate, VolumeFilters, VolumeId, VolumeNameQuery, VolumeSchema } from './schema.ts';
import { snapshotRoutes } from './snapshot-routes.ts';
import { volumeView } from './view.ts';

const OneVolume = Type.Object({ volume: VolumeSchema });

/** Block storage: volumes, their actions and their snapshots. */
export function volumesOperations(deps: VolumesDeps): Operation[] {
  const { store } = deps;
  return [
    listOperation({
      id: 'volumes_list',
      path: '/v2/volumes',
      summary: 'List all volumes, by name, by region, or by both',
      scopes: ['api:read', 'api:write', 'block_storage:read'],
      filters: VolumeFilters,
      key: 'volumes',
      item: VolumeSchema,
      list: ({ caller, query }, page) => listVolumes(store.db, caller, query, page),
      view: volumeView,
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
