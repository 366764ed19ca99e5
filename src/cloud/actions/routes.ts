import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { countOf } from '../../store/counters.ts';
import { selectPage } from '../../store/page.ts';
import type { Store } from '../../store/store.ts';
import { ActionAnswer, ActionSchema, actionView } from './view.ts';

export interface ActionsDeps {
  store: Store;
}

/** GET /v2/actions, newest first, and GET /v2/actions/{action_id}. */
export function actionsOperations({ store }: ActionsDeps): Operation[] {
  return [
    listOperation({
      id: 'actions_list',
      path: '/v2/actions',
      summary: 'List all actions',
      scopes: ['actions:read'],
      key: 'actions',
      item: ActionSchema,
      list({ caller: { teamId } }, page) {
        const ofTeam = store.db.selectFrom('actions').selectAll().where('team_id', '=', teamId);
        return selectPage(ofTeam.orderBy('id', 'desc'), page, () => countOf(store.db, teamId, 'action'));
      },
      view: actionView,
    }),
    operation({
      id: 'actions_get',
      method: 'GET',
      path: '/v2/actions/{action_id}',
      summary: 'Get an action',
      scopes: ['actions:read'],
      params: Type.Object({ action_id: Type.Integer() }),
      status: 200,
      response: ActionAnswer,
      async handler(request) {
        const row = await store.db
          .selectFrom('actions')
          .selectAll()
          .where('team_id', '=', request.caller.teamId)
          .where('id', '=', request.params.action_id)
          .executeTakeFirst();
        if (!row) throw notFound();
        return { action: actionView(row) };
      },
    }),
  ];
}
