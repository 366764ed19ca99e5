import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import {
  type ActedOn,
  ActionList,
  ActionSchema,
  actionOf,
  actionView,
  pageOfActions,
} from '../actions/index.ts';
import { actOnVolume } from './act.ts';
import type { VolumesDeps } from './context.ts';
import { findVolume } from './row.ts';
import { NamedVolumeActionRequest, VolumeActionId, VolumeActionRequest, VolumeId } from './schema.ts';

const ActionAnswer = Type.Object({ action: ActionSchema });

/** Attach, detach and resize, by id and by name, and how they went. */
export function actionRoutes(deps: VolumesDeps): Operation[] {
  const { store } = deps;
  const volume = (teamId: string, volumeId: string): ActedOn => ({
    teamId,
    types: ['volume'],
    id: volumeId.toLowerCase(),
  });

  return [
    operation({
      id: 'volumeActions_post',
      method: 'POST',
      path: '/v2/volumes/actions',
      summary: 'Begin an action on a volume by its name',
      scopes: ['block_storage_action:create', 'api:write'],
      body: NamedVolumeActionRequest,
      status: 202,
      response: ActionAnswer,
      async handler(request) {
        const { volume_name: name, region } = request.body;
        const action = await actOnVolume(deps, request, { name, ...(region && { region }) });
        return { action: actionView(action) };
      },
    }),
    operation({
      id: 'volumeActions_list',
      method: 'GET',
      path: '/v2/volumes/{volume_id}/actions',
      summary: 'List the actions of a volume',
      scopes: ['block_storage_action:read'],
      params: VolumeId,
      query: PageQuery,
      status: 200,
      response: ActionList,
      async handler(request) {
        const { volume_id: id } = request.params;
        if (!(await findVolume(store.db, request.caller, { id }))) throw notFound();
        const page = pageOf(request.query);
        const { rows, total } = await pageOfActions(store.db, volume(request.caller.teamId, id), page);
        return paginated(request, page, 'actions', rows.map(actionView), total);
      },
    }),
    operation({
      id: 'volumeActions_post_byId',
      method: 'POST',
      path: '/v2/volumes/{volume_id}/actions',
      summary: 'Begin an action on a volume',
      scopes: ['block_storage_action:create'],
      params: VolumeId,
      body: VolumeActionRequest,
      status: 202,
      response: ActionAnswer,
      async handler(request) {
        const action = await actOnVolume(deps, request, { id: request.params.volume_id });
        return { action: actionView(action) };
      },
    }),
    operation({
      id: 'volumeActions_get',
      method: 'GET',
      path: '/v2/volumes/{volume_id}/actions/{action_id}',
      summary: 'Get an action of a volume',
      scopes: ['block_storage_action:read'],
      params: VolumeActionId,
      status: 200,
      response: ActionAnswer,
      async handler(request) {
        const { volume_id: id, action_id: actionId } = request.params;
        return {
          action: actionView(await actionOf(store.db, volume(request.caller.teamId, id), actionId)),
        };
      },
    }),
  ];
}
