import { sql } from 'kysely';
import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import { ActionList, ActionSchema, actionView } from '../actions/index.ts';
import { actOnVolume } from './act.ts';
import type { VolumesDeps } from './context.ts';
import { findVolume } from './row.ts';
import { NamedVolumeActionRequest, VolumeActionId, VolumeActionRequest, VolumeId } from './schema.ts';

const ActionAnswer = Type.Object({ action: ActionSchema });

/** Attach, detach and resize, by id and by name, and how they went. */
export function actionRoutes(deps: VolumesDeps): Operation[] {
  const { store } = deps;
  const ofVolume = (teamId: string, volumeId: string) =>
    store.db
      .selectFrom('actions')
      .where('team_id', '=', teamId)
      .where('resource_type', '=', 'volume')
      .where('resource_id', '=', volumeId.toLowerCase());

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
        const own = ofVolume(request.caller.teamId, id);
        const [rows, { total }] = await Promise.all([
          own.selectAll().orderBy('id', 'desc').limit(page.limit).offset(page.offset).execute(),
          own.select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow(),
        ]);
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
        // Also of a volume that is gone: what a 2xx named stays to be found.
        const action = await ofVolume(request.caller.teamId, request.params.volume_id)
          .selectAll()
          .where('id', '=', request.params.action_id)
          .executeTakeFirst();
        if (!action) throw notFound();
        return { action: actionView(action) };
      },
    }),
  ];
}
