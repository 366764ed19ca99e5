/** The actions of one resource, also of one that is gone: what a 2xx named stays to be found. */
import { type Static, type TObject, Type } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import type { Action } from '../../control/actions.ts';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation, type Request } from '../../http/operation.ts';
import { anyOf } from '../../store/any-of.ts';
import { selectPage } from '../../store/page.ts';
import type { Store } from '../../store/store.ts';
import { ActionAnswer, ActionSchema, type ActionView, actionView } from './view.ts';

export interface ActionHistory<Params extends TObject> {
  store: Store;
  /** What the ids of the operations begin with. */
  ids: string;
  /** Of the resource: `/v2/droplets/{droplet_id}`. */
  path: string;
  params: Params;
  scopes: readonly string[];
  /** In summaries: `a droplet`. */
  name: string;
  /** A resource may have more than one type of name, each with actions of its own. */
  types: readonly string[];
  /** The resource of a path as `actions.resource_id` has it, whether there is such a resource or not. */
  resourceId(params: Static<Params>, caller: Caller): string | Promise<string>;
  /** For the list alone: rejects with 404 where the caller has no such resource. Single actions outlive it. */
  visible?(params: Static<Params>, caller: Caller): Promise<unknown>;
  view?(action: Action): ActionView;
}

/** GET of a resource's actions, newest first, and of one of them. */
export function actionHistory<Params extends TObject>({
  store,
  ids,
  path,
  params,
  scopes,
  name,
  types,
  resourceId,
  visible,
  view = actionView,
}: ActionHistory<Params>): Operation[] {
  const actionsOf = (caller: Caller, id: string) =>
    store.db
      .selectFrom('actions')
      .selectAll()
      .where('team_id', '=', caller.teamId)
      .where(anyOf('resource_type', types))
      .where('resource_id', '=', id);

  return [
    listOperation({
      id: `${ids}_list`,
      path: `${path}/actions`,
      summary: `List the actions of ${name}`,
      scopes,
      params,
      key: 'actions',
      item: ActionSchema,
      async list({ caller, params: given }, page) {
        await visible?.(given, caller);
        const id = await resourceId(given, caller);
        return selectPage(actionsOf(caller, id).orderBy('id', 'desc'), page);
      },
      view,
    }),
    operation({
      id: `${ids}_get`,
      method: 'GET',
      path: `${path}/actions/{action_id}`,
      summary: `Get an action of ${name}`,
      scopes,
      params: Type.Object({ ...params.properties, action_id: Type.Integer() }),
      status: 200,
      response: ActionAnswer,
      async handler({ caller, params: given }: Request<Static<Params> & { action_id: number }>) {
        const id = await resourceId(given, caller);
        const action = await actionsOf(caller, id).where('id', '=', given.action_id).executeTakeFirst();
        if (!action) throw notFound();
        return { action: view(action) };
      },
    }),
  ];
}
