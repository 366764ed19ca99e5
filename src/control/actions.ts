/** Actions: something that was asked of a resource, and how it went. Begun by commands, ended by the loop. */
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Caller } from '../http/operation.ts';
import type { Actions } from '../store/schema.ts';
import type { Queryable } from '../store/store.ts';

export type Action = Selectable<Actions>;

/** Begins an action in the caller's transaction and answers its row. */
export async function beginAction(
  tx: Queryable,
  action: {
    /** Nobody's token where Atoll itself begins it: a backup. */
    caller: Pick<Caller, 'teamId'> & { userId: string | null; tokenId: string | null };
    type: string;
    resourceType: string;
    resourceId: string;
    region: string;
    at: Date;
  },
): Promise<Action> {
  return tx
    .insertInto('actions')
    .values({
      team_id: action.caller.teamId,
      user_id: action.caller.userId,
      token_id: action.caller.tokenId,
      type: action.type,
      resource_type: action.resourceType,
      resource_id: action.resourceId,
      region: action.region,
      started_at: action.at,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

export interface ActionEnd {
  status: 'completed' | 'errored';
  at: Date;
  /** Why it errored, to a person. */
  message?: string | null;
}

/** Ends an action, unless it has ended already. */
export async function endAction(tx: Queryable, id: number, end: ActionEnd): Promise<void> {
  await endingAction(id, end).execute(tx);
}

/** The SQL of `endAction`, for a statement that does more: where `condition` holds. An id of null is no action. */
export const endingAction = (
  id: number | null,
  { status, at, message = null }: ActionEnd,
  condition: RawBuilder<boolean> = sql`true`,
): RawBuilder<unknown> => sql`
  update actions set status = ${status}, completed_at = ${at}, message = ${message}
  where id = ${id} and status = 'in-progress' and ${condition}`;
