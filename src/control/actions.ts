/** Actions: something that was asked of a resource, and how it went. Begun by commands, ended by the loop. */
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Caller } from '../base/caller.ts';
import { insertEndedEvents } from '../store/events.ts';
import type { Actions } from '../store/schema.ts';
import type { Queryable } from '../store/store.ts';

export type Action = Selectable<Actions>;

export interface NewAction {
  /** Nobody's token where Atoll itself begins it: a backup. */
  caller: Pick<Caller, 'teamId'> & { userId: string | null; tokenId: string | null };
  type: string;
  resourceType: string;
  /** A column where it is begun in a larger statement. */
  resourceId: string | RawBuilder<string>;
  region: string;
  at: Date;
  /** It is completed as soon as it is written down. */
  done?: true;
}

export interface ActionEnd {
  status: 'completed' | 'errored';
  at: Date;
  /** Why it errored, to a person. */
  message?: string | null;
}

/** Begins an action in the caller's transaction and answers its row. */
export async function beginAction(tx: Queryable, action: NewAction): Promise<Action> {
  const { rows } = await sql<Action>`
    ${beginningAction({ ...action, id: nextActionId }, sql`(select) as once`)} returning *`.execute(tx);
  const [row] = rows;
  if (!row) throw new Error('The action was not written.');
  return row;
}

/** SQL for the id of an action that is yet to be begun. */
export const nextActionId = sql<number>`nextval('actions_id_seq')`;

/** SQL that begins an action, for a statement that does more: one for each row of `from`, whose columns it may name. */
export const beginningAction = (
  { id, caller, type, resourceType, resourceId, region, at, done }: NewAction & { id: RawBuilder<number> },
  from: RawBuilder<unknown>,
): RawBuilder<unknown> => sql`
  insert into actions (id, team_id, user_id, token_id, type, resource_type, resource_id, region, started_at, status,
    completed_at)
  overriding system value
  select ${id}, ${caller.teamId}::uuid, ${caller.userId}::uuid, ${caller.tokenId}::uuid, ${type}, ${resourceType},
    ${resourceId}, ${region}, ${at}::timestamptz, ${done ? 'completed' : 'in-progress'}, ${done ? at : null}::timestamptz
  from ${from}`;

/**
 * Ends an action, unless it has ended already, and tells of it by an event of its resource. To be called after the
 * resource was changed, in one transaction with that. Answers what it was about; undefined where it had ended.
 */
export async function endAction(
  tx: Queryable,
  id: number,
  end: ActionEnd,
): Promise<Pick<Action, 'resource_type'> | undefined> {
  const { rows } = await sql<Pick<Action, 'resource_type'>>`
    with ended as (${endingAction(id, end)}), recorded as (${insertEndedEvents('ended')})
    select resource_type from ended`.execute(tx);
  return rows[0];
}

/**
 * SQL that ends an action, as a part of a statement that does more, and answers its row for `insertEndedEvents`: where
 * `condition` holds. An id of null is no action.
 */
export const endingAction = (
  id: number | null,
  { status, at, message = null }: ActionEnd,
  condition: RawBuilder<boolean> = sql`true`,
): RawBuilder<unknown> => sql`
  update actions set status = ${status}, completed_at = ${at}::timestamptz, message = ${message}
  where id = ${id} and status = 'in-progress' and ${condition}
  returning *`;
