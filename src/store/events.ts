/**
 * Events: what changed, each written in the transaction of the change, and read in the order of the commits.
 *
 * An id is drawn before the commit, so ids alone are no such order: a reader that goes by them passes those of a
 * transaction that is still open. It reads what lies below the oldest transaction that still writes, in the order of
 * the transactions (`xid`, which a trigger sets) and of the ids within one. So it misses none and sees none twice, and
 * those of one resource come as they happened. What it pays is that a transaction that stays open, in any database of
 * the server, holds back what others have committed since it first wrote.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Queryable } from './store.ts';

/**
 * What became of a resource:
 * - `created`: it is there from now on, with what was ordered;
 * - `changed`: what is wanted of it, or is seen of it, is another; with an action, that has begun;
 * - `deleted`: its team sees it no more;
 * - `action-ended`: an action on it has ended, and it is as that left it.
 */
export type EventChange = 'created' | 'changed' | 'deleted' | 'action-ended';

export interface NewEvent {
  at: Date;
  /** Whose resource it is. */
  teamId: string;
  /** `do:droplet:510000001`. */
  urn: string;
  change: EventChange;
  actionId?: number | null;
}

/**
 * SQL that writes the events of a `select` of (at, team_id, urn, change, action_id), which nobody asked for just now: as
 * a statement, or as a part of the one that makes the change, `with changed as (…), recorded as (${insertEvents(…)}) …`.
 */
export const insertEvents = (select: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`insert into events (at, team_id, urn, change, action_id) ${select}`;

/**
 * Records a change that nobody asked for just now: what the loop settles or sees. In the transaction of the change, and
 * after it. Where `endAction` tells of the same resource, that is enough.
 */
export async function recordEvent(tx: Queryable, event: NewEvent): Promise<void> {
  const { at, teamId, urn, change, actionId = null } = event;
  await insertEvents(
    sql`select ${at}::timestamptz, ${teamId}::uuid, ${urn}, ${change}, ${actionId}::bigint`,
  ).execute(tx);
}

/**
 * SQL that writes the event of actions that end, as a part of the statement that ends them:
 * `with ended as (update actions … returning *), recorded as (${insertEndedEvents('ended')}) …`.
 * @param ended the name of a part that answers rows of `actions`
 */
export const insertEndedEvents = (ended: string): RawBuilder<unknown> =>
  insertEvents(sql`
    select completed_at, team_id, action_urn(resource_type, resource_id), 'action-ended', id
    from ${sql.table(ended)} where action_urn(resource_type, resource_id) is not null`);

/** The place of an event in the order of all. Of the database that it was read from, and no other. */
export interface EventCursor {
  xid: string;
  id: number;
}

export interface Event extends EventCursor {
  at: Date;
  teamId: string;
  urn: string;
  /** The second part of the URN: `droplet`. */
  kind: string;
  /** The resource's when it changed, where it has one: what shows a later one knows of this already. */
  version: number | null;
  change: EventChange;
  actionId: number | null;
  userId: string | null;
  tokenId: string | null;
}

/**
 * Forgets events that a dump has brought along from a server that had counted its transactions further: none could be
 * read before this one has got there, nor could any later one of the same resource. To be called before the first event
 * is written.
 */
export async function forgetForeignEvents(db: Queryable): Promise<void> {
  // Whatever is visible and of this server lies below.
  await sql`delete from events where xid >= pg_snapshot_xmax(pg_current_snapshot())`.execute(db);
}

/** A cursor lies beyond all that can be read: it is another database's, or this one was restored from a dump. */
export class UnknownCursor extends Error {
  constructor() {
    super('This is no cursor of this database: load everything anew, then read events from their beginning.');
  }
}

/**
 * The next events after a cursor, at most `limit`, and the cursor to go on from; from the oldest that is kept where none
 * is given. Events are kept for a day: who was away for longer loads everything anew.
 * @param teamId only those of the team's resources
 * @throws UnknownCursor
 */
export async function readEvents(
  db: Queryable,
  { teamId, after, limit }: { teamId?: string | undefined; after?: EventCursor | undefined; limit: number },
): Promise<{ events: Event[]; next: EventCursor | undefined }> {
  const { xid, id } = after ?? { xid: '0', id: 0 };
  const { rows: events } = await sql<Event>`
    select xid, id, at, team_id as "teamId", urn, kind, version, change, action_id as "actionId", user_id as "userId",
      token_id as "tokenId"
    from events
    where (xid, id) > (${xid}::xid8, ${id}::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
      ${teamId === undefined ? sql`` : sql`and team_id = ${teamId}::uuid`}
    order by xid, id limit ${limit}`.execute(db);
  const last = events.at(-1);
  if (last) return { events, next: { xid: last.xid, id: last.id } };
  // What was read lies below the horizon, and that never goes back.
  const { rows } = await sql<{ known: boolean }>`
    select ${xid}::xid8 < pg_snapshot_xmin(pg_current_snapshot()) as known`.execute(db);
  if (!rows[0]?.known) throw new UnknownCursor();
  return { events, next: after };
}
