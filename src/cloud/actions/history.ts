/** The actions of one resource, also of one that is gone: what a 2xx named stays to be found. */
import type { Action } from '../../control/actions.ts';
import { notFound } from '../../http/errors.ts';
import type { Page } from '../../http/pagination.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Queryable } from '../../store/store.ts';

/** What was acted on. A resource may have more than one type of name, each with actions of its own. */
export interface ActedOn {
  teamId: string;
  types: readonly string[];
  /** As `actions.resource_id` has it. */
  id: string;
}

/** One page of a resource's actions, newest first, and how many there are. */
export async function pageOfActions(
  db: Queryable,
  resource: ActedOn,
  page: Page,
): Promise<{ rows: Action[]; total: number }> {
  const own = actionsOf(db, resource);
  const [rows, { total }] = await Promise.all([
    own.selectAll().orderBy('id', 'desc').limit(page.limit).offset(page.offset).execute(),
    own.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
  ]);
  return { rows, total };
}

/** @throws ApiError 404 where the resource has no such action */
export async function actionOf(db: Queryable, resource: ActedOn, actionId: number): Promise<Action> {
  const action = await actionsOf(db, resource).selectAll().where('id', '=', actionId).executeTakeFirst();
  if (!action) throw notFound();
  return action;
}

function actionsOf(db: Queryable, { teamId, types, id }: ActedOn) {
  return db
    .selectFrom('actions')
    .where('team_id', '=', teamId)
    .where(anyOf('resource_type', types))
    .where('resource_id', '=', id);
}
