/**
 * Claims in the reconcile table: who works on what. Every claim has a number within its owner; owner and number
 * together must be named by whoever ends it, so that nobody ends a claim that was taken over. No statement here waits
 * for the lock of a row: a request that holds one for long blocks nobody else's claims.
 */
import type pg from 'pg';

/** What runs a query: a connection, a pool or a session. */
export interface Queries {
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    query: pg.QueryConfig,
  ): Promise<pg.QueryResult<Row>>;
}

export type Lane = 'quick' | 'slow';

export interface Claim {
  kind: string;
  id: string;
  /** The number of this claim, unique within the owner's life. */
  claim: number;
  /** The wish that this run fulfils; a higher one that came meanwhile means another run. */
  wanted: number;
  /** Failed runs in a row before this one. */
  attempts: number;
  /** Runs in a row before this one that only had to wait. */
  waits: number;
  waitingFor: string | null;
  waitingSince: Date | null;
  /** Since when the wish was unfulfilled; null where nobody asked: a look at its own time. */
  wokenAt: Date | null;
  /** `slow` where it was given back for a slot of the slow lane. */
  lane: 'own' | 'slow';
}

/** What a loop has room for. */
export interface Room {
  quick: { kinds: string[]; slots: number };
  slow: {
    /** Kinds that are slow as a whole. */
    kinds: string[];
    /** Kinds whose runs may have been given back for this lane. */
    given: string[];
    slots: number;
  };
  /** All kinds that the loop knows. */
  known: string[];
  /** Not to be claimed though free: lost claims whose runs are not over yet. */
  except: { kind: string; id: string }[];
}

const free = 'done < wanted and owner is null';
/** Others delete the row of a loop that they take for dead. Until it has one again, it must claim nothing. */
const alive = 'exists (select from loops where loops.owner = $1)';
const arm = (lane: string, kinds: string, slots: string) =>
  `select kind, id from reconcile where ${free} and ${alive} and lane = '${lane}' and due <= $3
    and kind = any(${kinds}::text[]) and (kind, id) not in (select * from unnest($10::text[], $11::text[])) order by due limit ${slots} for update skip locked`;
const next = (lane: string) =>
  `(select due from reconcile where ${free} and lane = '${lane}' and due > $3 and kind = any($9::text[]) order by due limit 1)`;

/** Takes due resources for `owner` as `claim`, and answers when the next one falls due that nobody holds. */
export async function claim(
  client: Queries,
  owner: number,
  number: number,
  now: Date,
  { quick, slow, known, except }: Room,
): Promise<{ claims: Claim[]; next: Date | undefined }> {
  const { rows } = await client.query<Claim & { due: Date | null }>({
    name: 'reconcile-claim',
    // All parts see the table as it was before. A limit of 0 costs nothing.
    text: `with quick as (${arm('own', '$4', '$5')}), slow as (${arm('own', '$6', '$8')}),
      given as (${arm('slow', '$7', '$8')}),
      chosen as (select kind, id from quick union all
        (select kind, id from slow union all select kind, id from given limit $8)),
      claimed as (
        update reconcile r set owner = $1, claim = $2, woken_at = null
        from (select r.kind, r.id, r.woken_at from chosen join reconcile r using (kind, id)) c
        where r.kind = c.kind and r.id = c.id
        returning r.kind, r.id, r.claim, r.wanted, r.attempts, r.waits, r.waiting_for as "waitingFor",
          r.waiting_since as "waitingSince", c.woken_at as "wokenAt", r.lane
      )
      select *, null::timestamptz as due from claimed
      union all select null, null, null, null, null, null, null, null, null, null, due
        from (select least(${next('own')}, ${next('slow')}) as due) n where due is not null`,
    values: [
      owner,
      number,
      now,
      quick.kinds,
      quick.slots,
      slow.kinds,
      slow.given,
      slow.slots,
      known,
      except.map(({ kind }) => kind),
      except.map(({ id }) => id),
    ],
  });
  return {
    claims: rows.filter(({ due }) => due === null),
    next: rows.find(({ due }) => due !== null)?.due ?? undefined,
  };
}

/** How a claim ends. */
export type Ending =
  /** Done. `again`: when to look at it once more though nobody asks. */
  | { how: 'finished'; again?: Date }
  /** Done, and never to be looked at again unless somebody asks. */
  | { how: 'forgotten' }
  /** To be tried again at `due`, sooner where it was woken meanwhile. */
  | { how: 'failed'; due: Date; error: string }
  /** Nothing has failed, but it has to wait; to be tried again at `due`, sooner where it was woken meanwhile. */
  | { how: 'waiting'; due: Date; for: string; since: Date; until: Date }
  /** For a worker of the slow lane, or for whoever has room. */
  | { how: 'given back'; lane: 'own' | 'slow' };

export type Ended = Claim & { ending: Ending };

/** The columns of `unnest` below, each an array with an entry per ending. */
const columns = {
  kind: 'text',
  id: 'text',
  claim: 'bigint',
  wanted: 'bigint',
  waits: 'integer',
  how: 'text',
  due: 'timestamptz',
  error: 'text',
  since: 'timestamptz',
  until: 'timestamptz',
  lane: 'text',
  woken: 'timestamptz',
} as const;

const given = Object.values(columns)
  .map((type, index) => `$${index + 2}::${type}[]`)
  .join(', ');

/** What an engine says may hold what PostgreSQL does not take: the end of a run would never be written. */
const textOf = (said: string | null): string | null => said?.replaceAll('\0', '') ?? null;

/**
 * Gives resources back. Answers those that were: the others are locked by somebody at this moment, or are no longer
 * this owner's.
 */
export async function end(
  client: Queries,
  owner: number,
  ended: readonly Ended[],
): Promise<{ kind: string; id: string }[]> {
  const entries = ended.map(({ ending, ...each }) => ({
    ...each,
    how: ending.how,
    due: 'due' in ending ? ending.due : 'again' in ending ? ending.again : null,
    error: textOf('error' in ending ? ending.error : 'for' in ending ? ending.for : null),
    since: 'since' in ending ? ending.since : null,
    until: 'until' in ending ? ending.until : null,
    lane: 'lane' in ending ? ending.lane : 'own',
    woken: each.wokenAt,
  }));
  const { rows } = await client.query<{ kind: string; id: string }>({
    name: 'reconcile-end',
    // One that was woken during its run is due when that says, and waits for no backoff.
    text: `with given as (select * from unnest(${given}) as g(${Object.keys(columns).join(', ')})),
      mine as (
        select g.*, r.wanted > g.wanted as more, r.woken_at is not null as woken_again,
          r.waits < g.waits as wished_anew
        from given g join reconcile r on r.kind = g.kind and r.id = g.id
        where r.owner = $1 and r.claim = g.claim for update of r skip locked
      ),
      forgotten as (
        delete from reconcile r using mine m
        where r.kind = m.kind and r.id = m.id and m.how = 'forgotten' and not m.more returning r.kind, r.id
      ),
      done as (
        update reconcile r set done = m.wanted, attempts = 0, last_error = null, owner = null, claim = null,
          lane = 'own', waits = 0, waiting_for = null, waiting_since = null, waiting_until = null,
          due = case when m.due is null or m.more then r.due else m.due end,
          wanted = r.wanted + (m.due is not null)::int
        from mine m
        where r.kind = m.kind and r.id = m.id and (m.how = 'finished' or (m.how = 'forgotten' and m.more))
        returning r.kind, r.id
      ),
      open as (
        update reconcile r set owner = null, claim = null, woken_at = coalesce(m.woken, r.woken_at),
          lane = case when m.woken_again then 'own' else m.lane end,
          due = case when m.woken_again or m.due is null then r.due else m.due end,
          last_error = case m.how when 'given back' then r.last_error else m.error end,
          attempts = r.attempts + (m.how = 'failed')::int,
          waits = case m.how when 'failed' then 0 when 'waiting' then r.waits + 1 else r.waits end,
          waiting_for = case m.how when 'failed' then null when 'waiting' then case when not m.wished_anew then m.error end else r.waiting_for end,
          waiting_since = case m.how when 'failed' then null when 'waiting' then case when not m.wished_anew then m.since end else r.waiting_since end,
          waiting_until = case m.how when 'failed' then null when 'waiting' then case when not m.wished_anew then m.until end else r.waiting_until end
        from mine m
        where r.kind = m.kind and r.id = m.id and m.how in ('failed', 'waiting', 'given back')
        returning r.kind, r.id
      )
      select * from forgotten union all select * from done union all select * from open`,
    values: [
      owner,
      ...Object.keys(columns).map((key) => entries.map((entry) => entry[key as keyof typeof columns])),
    ],
  });
  return rows;
}

/** Everything that the table says `owner` holds. */
export async function holdings(
  client: Queries,
  owner: number,
): Promise<Pick<Claim, 'kind' | 'id' | 'claim'>[]> {
  const { rows } = await client.query<Pick<Claim, 'kind' | 'id' | 'claim'>>({
    name: 'reconcile-holdings',
    text: 'select kind, id, claim from reconcile where owner = $1',
    values: [owner],
  });
  return rows;
}

/** Frees claims of `owner` that nothing runs for, to be claimed at `now`. */
export async function release(
  client: Queries,
  owner: number,
  claims: readonly Pick<Claim, 'kind' | 'id' | 'claim'>[],
  now: Date,
): Promise<void> {
  await client.query({
    name: 'reconcile-release',
    text: `update reconcile r set owner = null, claim = null, due = least(r.due, $5)
      from (select r.kind, r.id from reconcile r
        join unnest($2::text[], $3::text[], $4::bigint[]) as leaked(kind, id, claim)
          on r.kind = leaked.kind and r.id = leaked.id
        where r.owner = $1 and r.claim is not distinct from leaked.claim for update of r skip locked) free
      where r.kind = free.kind and r.id = free.id`,
    values: [
      owner,
      claims.map(({ kind }) => kind),
      claims.map(({ id }) => id),
      claims.map(({ claim }) => claim),
      now,
    ],
  });
}

/** No pause before another try is as long as this, ms. */
const longestPauseMs = 60_000;

/**
 * Makes due what waits for a time that no pause reaches: it was written before the wall clock was set back. What is to
 * be looked at again at its own time keeps that.
 */
export async function hurry(client: Queries, now: Date): Promise<void> {
  await client.query({
    name: 'reconcile-hurry',
    text: `update reconcile r set due = $1 from (select kind, id from reconcile
        where ${free} and due > $2 and (woken_at is not null or attempts > 0 or waits > 0)
        for update skip locked) late
      where r.kind = late.kind and r.id = late.id`,
    values: [now, new Date(now.getTime() + longestPauseMs)],
  });
}
