/** Actions: something that was asked of a resource, and how it went. Begun by commands, ended by the loop. */
import { type Selectable, sql } from 'kysely';
import type { Caller } from '../http/operation.ts';
import { insertEndedEvents } from '../store/events.ts';
import type { Actions } from '../store/schema.ts';
import type { Queryable } from '../store/store.ts';

export type Action = Selectable<Actions>;

/** Begins an action in the caller's transaction, or writes down one that is `done` by then; answers its row. */
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
    done?: true;
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
      ...(action.done && { status: 'completed', completed_at: action.at }),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/**
 * Ends an action, unless it has ended already, and tells of it by an event of its resource. To be called after the
 * resource was changed, in one transaction with that. `message` says to a person why it errored.
 */
export async function endAction(
  tx: Queryable,
  id: number,
  end: { status: 'completed' | 'errored'; at: Date; message?: string },
): Promise<void> {
  await sql`
    with ended as (
      update actions
      set status = ${end.status}, completed_at = ${end.at}::timestamptz, message = ${end.message ?? null}
      where id = ${id} and status = 'in-progress' returning *
    ) ${insertEndedEvents('ended')}`.execute(tx);
}
