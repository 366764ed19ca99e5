import { notFound } from '../../http/errors.ts';
import type { Operation } from '../../http/operation.ts';
import { actionHistory, beginOperation } from '../actions/index.ts';
import { actOnVolume } from './act.ts';
import type { VolumesDeps } from './context.ts';
import { findVolume } from './row.ts';
import { NamedVolumeActionRequest, VolumeActionRequest, VolumeId } from './schema.ts';

/** Attach, detach and resize, by id and by name, and how they went. */
export function actionRoutes(deps: VolumesDeps): Operation[] {
  const { store } = deps;
  return [
    beginOperation({
      id: 'volumeActions_post',
      path: '/v2/volumes/actions',
      summary: 'Begin an action on a volume by its name',
      scopes: ['block_storage_action:create', 'api:write'],
      body: NamedVolumeActionRequest,
      status: 202,
      act(request) {
        const { volume_name: name, region } = request.body;
        return actOnVolume(deps, request, { name, ...(region && { region }) });
      },
    }),
    beginOperation({
      id: 'volumeActions_post_byId',
      path: '/v2/volumes/{volume_id}/actions',
      summary: 'Begin an action on a volume',
      scopes: ['block_storage_action:create'],
      params: VolumeId,
      body: VolumeActionRequest,
      status: 202,
      act: (request) => actOnVolume(deps, request, { id: request.params.volume_id }),
    }),
    ...actionHistory({
      store,
      ids: 'volumeActions',
      path: '/v2/volumes/{volume_id}',
      params: VolumeId,
      scopes: ['block_storage_action:read'],
      name: 'a volume',
      types: ['volume'],
      resourceId: ({ volume_id }) => volume_id.toLowerCase(),
      async visible({ volume_id: id }, caller) {
        if (!(await findVolume(store.db, caller, { id }))) throw notFound();
      },
    }),
  ];
}
