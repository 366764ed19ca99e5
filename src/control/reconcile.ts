/**
 * The reconcile table: which resources are dirty, and who works on them. A resource is dirty while done < wanted.
 * Many wakes of one resource collapse into one run; a wake during a run means one more run.
 */
import { sql } from 'kysely';
import type pg from 'pg';
import type { Queryable } from '../store/store.ts';

/** What runs a query: a connection or a pool. */
type Queries = Pick<pg.Pool, 'query'>;

/** The first key of the session advisory lock that a loop holds while it lives; the second is its owner number. */
export const ownerLock = 0x61746f;

/** The channel on which a loop tells the others that there may be work; the payload is its owner number. */
export const wakeChannel = 'atoll_wake';

/**
 * Marks a resource dirty, due at `at`, in the caller's transaction. Any backoff is forgotten: what is wanted has
 * changed. The loop that listens to the store (`ControlLoop.look`) hears of the commit.
 */
export async function wake(tx: Queryable, kind: string, id: string, at: Date): Promise<void> {
  await sql`select wake(${kind}, ${id}, ${at})`.execute(tx);
}

/**
 * Marks a resource dirty because something was seen of it. Unlike `wake` it forgets no backoff: a run that fails is seen
 * too, by what it did before it failed, and would be tried again for ever without a pause.
 */
export async function nudge(client: Queries, kind: string, id: string, at: Date): Promise<void> {
  await client.query({
    name: 'reconcile-nudge',
    text: `insert into reconcile as r (kind, id, due) values ($1, $2, $3)
      on conflict on constraint reconcile_pkey do update set wanted = r.wanted + 1,
        due = case when r.attempts = 0 then least(r.due, excluded.due) else r.due end`,
    values: [kind, id, at],
  });
}

export interface Claim {
  kind: string;
  id: string;
  /** The wish that this run fulfils; a higher one that came meanwhile means another run. */
  wanted: number;
  /** Failed runs in a row before this one; below 0: so many, all of which only had to wait. */
  attempts: number;
}

/**
 * Takes up to `limit` due resources for `owner`, and answers when the next one that nobody holds falls due. The lease
 * runs on the database's own time.
 */
export async function claim(
  client: Queries,
  owner: number,
  now: Date,
  limit: number,
): Promise<{ claims: Claim[]; next: Date | undefined }> {
  const { rows } = await client.query<Claim & { due: Date | null }>({
    name: 'reconcile-claim',
    // Both parts see the table as it was before.
    text: `with claimed as (
        update reconcile r set owner = $1, lease_until = now() + interval '60 s'
        from (select kind, id from reconcile where done < wanted and owner is null and due <= $2
              order by due limit $3 for update skip locked) c
        where r.kind = c.kind and r.id = c.id
        returning r.kind, r.id, r.wanted, r.attempts
      ), next as (
        select due from reconcile
        where done < wanted and owner is null and (kind, id) not in (select kind, id from claimed)
        order by due limit 1
      )
      select *, null::timestamptz as due from claimed union all select null, null, null, null, due from next`,
    values: [owner, now, limit],
  });
  return {
    claims: rows.filter(({ due }) => due === null),
    next: rows.find(({ due }) => due !== null)?.due ?? undefined,
  };
}

/** Tells the other loops that there may be work. */
export async function announce(client: Queries, owner: number): Promise<void> {
  await client.query({
    name: 'reconcile-announce',
    text: 'select pg_notify($1, $2)',
    values: [wakeChannel, String(owner)],
  });
}

/** Gives a resource back as done. `again`: when to look at it once more though nobody asks. */
export async function finish(
  client: Queries,
  owner: number,
  { kind, id, wanted }: Claim,
  again?: Date,
): Promise<void> {
  await client.query({
    name: 'reconcile-finish',
    text: `update reconcile set done = $4, attempts = 0, last_error = null, owner = null, lease_until = null,
        due = case when $5::timestamptz is null or wanted > $4 then due else $5 end,
        wanted = wanted + ($5::timestamptz is not null)::int
      where kind = $1 and id = $2 and owner = $3`,
    values: [kind, id, owner, wanted, again ?? null],
  });
}

/** Gives a resource back and forgets it, unless it was woken meanwhile. */
export async function forget(client: Queries, owner: number, claimed: Claim): Promise<void> {
  const { rowCount } = await client.query(
    'delete from reconcile where kind = $1 and id = $2 and owner = $3 and wanted = $4',
    [claimed.kind, claimed.id, owner, claimed.wanted],
  );
  if (rowCount === 0) await finish(client, owner, claimed);
}

/**
 * Gives a resource back as failed, to be tried again at `due` (sooner if it was woken meanwhile). A run that had to wait
 * does not count beside failed ones: an engine that was away for long leaves all tries to what fails thereafter.
 */
export async function fail(
  client: Queries,
  owner: number,
  { kind, id, attempts }: Claim,
  { due, error, waited }: { due: Date; error: string; waited: boolean },
): Promise<void> {
  await client.query({
    name: 'reconcile-fail',
    text: `update reconcile set last_error = $6, owner = null, lease_until = null,
        due = case when attempts <> $4 then due else $5 end,
        attempts = case when not $7 then greatest(attempts, 0) + 1 when attempts > 0 then attempts else attempts - 1 end
      where kind = $1 and id = $2 and owner = $3`,
    values: [kind, id, owner, attempts, due, error, waited],
  });
}

/** Frees what dead owners hold: their session's lock is gone, or their lease ran out. Answers how many. */
export async function reap(client: Queries, owner: number): Promise<number> {
  const { rowCount } = await client.query(
    `update reconcile r set owner = null, lease_until = null
      where owner is not null and owner <> $1
        and (lease_until < now() or not exists (
          select from pg_locks l where l.locktype = 'advisory' and l.classid = $2 and l.objid = r.owner
            and l.database = (select oid from pg_database where datname = current_database())))`,
    [owner, ownerLock],
  );
  return rowCount ?? 0;
}

/** Keeps what `owner` holds. */
export async function renew(client: Queries, owner: number): Promise<void> {
  await client.query("update reconcile set lease_until = now() + interval '60 s' where owner = $1", [owner]);
}
