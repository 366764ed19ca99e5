/**
 * The loops that live, in table `loops`. A loop has one number for as long as its process lives. It holds what it has
 * claimed as long as its row is there: others delete that row when its lease has run out (the process hangs), or when
 * they have missed its advisory lock for a while (the process has ended, or cannot reach the database).
 *
 * Both times pass on the monotonic clock of whoever looks: a wall clock, the database's too, may be set at any moment,
 * and would take what it holds from a loop that is well.
 */
import type { Queries } from './claims.ts';

/** The first key of the session advisory lock that a loop holds while it lives; the second is its number. */
export const ownerLock = 0x61746f;

/** How long a loop keeps what it holds, ms. */
export interface Lease {
  /** After another loop has seen its last renewal. */
  ms: number;
  /** After another loop has missed its lock: the time that it has to connect again. */
  goneMs: number;
}

/** The backends that hold the lock of a loop's number, which is an SQL expression; $1 is `ownerLock`. */
const holdersOf = (owner: string) => `pg_locks lock where lock.locktype = 'advisory' and lock.classid = $1
  and lock.objid = ${owner} and lock.database = (select oid from pg_database where datname = current_database())`;
const lockHeld = (owner: string) => `exists (select from ${holdersOf(owner)})`;

/** Takes the lock of a loop's number for this session; false where another loop has drawn the same number. */
export async function takeNumber(client: Queries, owner: number): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>({
    text: 'select pg_try_advisory_lock($1, $2) as taken',
    values: [ownerLock, owner],
  });
  return rows[0]?.taken === true;
}

/**
 * Takes the lock again for a new session of the same process. A backend that still holds it for the lost session is
 * ended and waited for: nobody but this process has its number.
 */
export async function takeNumberAgain(client: Queries, owner: number): Promise<void> {
  await client.query({
    text: `select pg_terminate_backend(lock.pid) from ${holdersOf('$2')} and lock.pid <> pg_backend_pid()`,
    values: [ownerLock, owner],
  });
  await client.query({ text: 'select pg_advisory_lock($1, $2)', values: [ownerLock, owner] });
}

/** Makes a loop known, or known again. */
export async function register(client: Queries, owner: number, { ms }: Lease): Promise<void> {
  await client.query({
    text: `insert into loops (owner, lease_until) values ($1, now() + $2 * interval '1 ms')
      on conflict (owner) do update set lease_until = excluded.lease_until`,
    values: [owner, ms],
  });
}

/** Keeps what a loop holds. False where others have taken it over. To be asked on the session with the lock. */
export async function renew(client: Queries, owner: number, { ms }: Lease): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'loops-renew',
    text: `update loops set lease_until = now() + $2 * interval '1 ms' where owner = $1`,
    values: [owner, ms],
  });
  return rowCount === 1;
}

/** Says goodbye: what it still holds is free at once. */
export async function unregister(client: Queries, owner: number, now: Date): Promise<void> {
  await client.query({ text: 'delete from loops where owner = $1', values: [owner] });
  await freeUnowned(client, now);
}

/** Another loop, as it was seen. */
interface Seen {
  /** Changes with each renewal. */
  lease: string;
  /** Since when it is the same, and since when the lock is missed as well, by performance.now(). */
  since: number;
  missedSince: number | undefined;
}

/**
 * Frees what dead loops hold, for others to claim at `now`; answers how much that was. Waits for no lock of a row. Whom
 * it takes for dead depends on what it has seen before.
 */
export function reaper({ ms, goneMs }: Lease) {
  const seen = new Map<number, Seen>();

  async function reap(client: Queries, owner: number, now: Date): Promise<number> {
    const asked = performance.now();
    const { rows } = await client.query<{ owner: number; lease: string; locked: boolean }>({
      name: 'loops-others',
      text: `select owner, lease_until::text as lease, ${lockHeld('loops.owner')} as locked from loops where owner <> $2`,
      values: [ownerLock, owner],
    });
    const answered = performance.now();
    const there = new Set(rows.map((each) => each.owner));
    for (const each of seen.keys()) if (!there.has(each)) seen.delete(each);
    for (const { owner: other, lease, locked } of rows) {
      const before = seen.get(other);
      const same = before?.lease === lease ? before : { lease, since: answered, missedSince: undefined };
      seen.set(other, { ...same, missedSince: locked ? undefined : (same.missedSince ?? answered) });
    }
    const late = [...seen].filter(([, { since }]) => asked - since >= ms);
    const gone = [...seen].filter(([, { missedSince = asked }]) => asked - missedSince >= goneMs);
    if (late.length > 0 || gone.length > 0) await remove(client, owner, { late, gone });
    return freeUnowned(client, now);
  }

  return {
    reap,
    /** Whether a loop is missed: worth another look soon. */
    misses: () => [...seen.values()].some(({ missedSince }) => missedSince !== undefined),
  };
}

/** One that has renewed its lease, or taken its lock again, just now is let alone. */
async function remove(
  client: Queries,
  owner: number,
  { late, gone }: Record<'late' | 'gone', [number, Seen][]>,
): Promise<void> {
  const dead = [...late, ...gone];
  await client.query({
    name: 'loops-dead',
    text: `delete from loops where owner in (select loops.owner from loops
      join unnest($3::integer[], $4::text[], $5::boolean[]) as dead(owner, lease, late) on dead.owner = loops.owner
      where loops.owner <> $2 and loops.lease_until::text = dead.lease and (dead.late or not ${lockHeld('loops.owner')})
      for update of loops skip locked)`,
    values: [
      ownerLock,
      owner,
      dead.map(([each]) => each),
      dead.map(([, { lease }]) => lease),
      dead.map((_, index) => index < late.length),
    ],
  });
}

/**
 * Frees what belongs to no loop that is known. An Atoll of before table `loops` renews a lease in each row and is not
 * known; it is spared while it lives.
 */
async function freeUnowned(client: Queries, now: Date): Promise<number> {
  const { rowCount } = await client.query({
    name: 'loops-free',
    text: `update reconcile r set owner = null, claim = null, lease_until = null, due = least(r.due, $2)
      from (select kind, id from reconcile held
        where owner is not null and not exists (select from loops where loops.owner = held.owner)
          and (lease_until is null or lease_until < now() or not ${lockHeld('held.owner')})
        for update skip locked) free
      where r.kind = free.kind and r.id = free.id`,
    values: [ownerLock, now],
  });
  return rowCount ?? 0;
}
