/**
 * Commands: changes of what is wanted that a request asks for. Each is one transaction, which also writes who asked for
 * it (audit), what changed (events), and wakes the loop for it.
 */
import { sql } from 'kysely';
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import type { EventChange } from '../store/events.ts';
import type { Store, Tx } from '../store/store.ts';

/** Who asks for something: of a request, what its traces need. */
export interface Asked {
  caller: Caller;
  /** The request's id. */
  id: string;
}

export interface CommandDeps {
  store: Pick<Store, 'transaction'>;
  clock: Clock;
}

/** Something that a command has changed. */
export interface Change {
  /** `do:droplet:510000001`. */
  urn: string;
  /** Null where it was asked for, but was so already. */
  change: Exclude<EventChange, 'action-ended'> | null;
  /** The action that this began. */
  action?: number;
  /** What the loop is to look at: kind and id. */
  wake?: [kind: string, id: string];
  /** It changed with what was asked for, and was not itself: an event, but no row of the audit trail. */
  besides?: true;
  /** Whose it is, where it is not the caller's. */
  teamId?: string;
}

/** A command under way. */
export interface Command extends Asked {
  tx: Tx;
  at: Date;
  /** To be told of each change, in the order in which the loop is to be woken. */
  changed(...changes: Change[]): void;
}

/**
 * Runs `work` in one transaction, again from its start where others came in between, and records what it says it has
 * changed; in one statement, at the end, when all other locks are held. Who changes nothing leaves no trace.
 * @param operation for the audit trail: the operation's id, with what makes it another (`dropletActions_post.reboot`)
 */
export function command<Answer>(
  { store, clock }: CommandDeps,
  { caller, id }: Asked,
  operation: string,
  work: (command: Command) => Promise<Answer>,
): Promise<Answer> {
  return store.transaction(async (tx) => {
    const at = clock.now();
    const changes: Change[] = [];
    const answer = await work({ caller, id, tx, at, changed: (...more) => void changes.push(...more) });
    if (changes.length > 0) await record(tx, { caller, id }, { operation, at, changes });
    return answer;
  });
}

/** Lists of one length go in as arrays, so that the statement is the same for any number of changes. */
async function record(
  tx: Tx,
  { caller, id }: Asked,
  { operation, at, changes }: { operation: string; at: Date; changes: Change[] },
): Promise<void> {
  const wakes = changes.flatMap(({ wake }) => (wake ? [wake] : []));
  const of = <T>(value: (change: Change) => T): T[] => changes.map(value);
  await sql`
    with changes as materialized (
      select * from unnest(
        ${of(({ urn }) => urn)}::text[], ${of(({ change }) => change)}::text[],
        ${of(({ action }) => action ?? null)}::bigint[], ${of(({ besides }) => besides !== true)}::boolean[],
        ${of(({ teamId }) => teamId ?? caller.teamId)}::uuid[]
      ) with ordinality as changes (urn, change, action_id, audited, team_id, n)
    ), audited as (
      insert into audit (at, team_id, user_id, token_id, request_id, operation, urn)
      select ${at}::timestamptz, ${caller.teamId}::uuid, ${caller.userId}::uuid, ${caller.tokenId}::uuid, ${id}, ${operation}, urn
      from changes where audited order by n
    ), recorded as (
      insert into events (at, team_id, urn, change, action_id, user_id, token_id)
      select ${at}::timestamptz, team_id, urn, change, action_id,
        case when team_id = ${caller.teamId}::uuid then ${caller.userId}::uuid end,
        case when team_id = ${caller.teamId}::uuid then ${caller.tokenId}::uuid end
      from changes where change is not null order by n
    )
    select wake(kind, id, ${at}::timestamptz)
    from unnest(${wakes.map(([kind]) => kind)}::text[], ${wakes.map(([, woken]) => woken)}::text[]) as wakes (kind, id)`.execute(
    tx,
  );
}
