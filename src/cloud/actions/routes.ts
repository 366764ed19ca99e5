import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageEnvelope, PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import { countOf } from '../../store/counters.ts';
import type { Store } from '../../store/store.ts';
import { ActionSchema, actionView } from './view.ts';

export interface ActionsDeps {
  store: Store;
}

/** The body of a list of actions, of the team or of one resource. */
export const ActionList = Type.Object({ actions: Type.Array(ActionSchema), ...PageEnvelope });

/** GET /v2/actions, newest first, and GET /v2/actions/{action_id}. */
export function actionsOperations({ store }: ActionsDeps): Operation[] {
  return [
    operation({
      id: 'actions_list',
      method: 'GET',
      path: '/v2/actions',
      summary: 'List all actions',
      scopes: ['actions:read'],
      query: PageQuery,
      status: 200,
      response: ActionList,
      async handler(request) {
        const page = pageOf(request.query);
        const ofTeam = store.db.selectFrom('actions').where('team_id', '=', request.caller.teamId);
        const [rows, total] = await Promise.all([
          ofTeam.selectAll().orderBy('id', 'desc').limit(page.limit).offset(page.offset).execute(),
          countOf(store.db, request.caller.teamId, 'action'),
        ]);
        return paginated(request, page, 'actions', rows.map(actionView), total);
      },
    }),
    operation({
      id: 'actions_get',
      method: 'GET',
      path: '/v2/actions/{action_id}',
      summary: 'Get an action',
      scopes: ['actions:read'],
      params: Type.Object({ action_id: Type.Integer() }),
      status: 200,
      response: Type.Object({ action: ActionSchema }),
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
