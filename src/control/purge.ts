/**
 * Deletes rows that nobody needs any more, so that nothing grows for ever: of things that have long been gone, and of
 * actions, audit and events past their time. In small statements, each of its own, beside all other work.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Store } from '../store/store.ts';

/** How long rows are kept, in days. */
export interface Retention {
  /** Of what is gone: long enough that the sweep has cleared the engines of it many times over. */
  gone: number;
  /** Ended actions, and offers of images that were ended. */
  actions: number;
  audit: number;
  events: number;
  /** Tokens that are revoked or have expired. */
  tokens: number;
}

export const defaultRetention: Retention = { gone: 7, actions: 365, audit: 365, events: 1, tokens: 30 };

/** How many rows a statement deletes at most. */
const batch = 1_000;
const dayMs = 24 * 3600 * 1000;

export interface PurgeDeps {
  store: Pick<Store, 'db'>;
  clock: Clock;
  log: Log;
  /** Aborts when the control plane ends: no other statement is begun. */
  signal: AbortSignal;
}

/** Deletes what is past its time. One table that cannot be purged keeps nothing from the others. */
export async function purge(
  { store, clock, log, signal }: PurgeDeps,
  retention: Retention = defaultRetention,
): Promise<void> {
  const now = clock.now().getTime();
  const before = Object.fromEntries(
    Object.entries(retention).map(([name, days]: [string, number]) => [name, new Date(now - days * dayMs)]),
  ) as unknown as Record<keyof Retention, Date>;
  for (const [table, statement] of Object.entries(statements(before))) {
    let total = 0;
    try {
      for (let last = batch; last >= batch && !signal.aborted; total += last) {
        const { rows } = await sql<{ n: number }>`with ${statement}
          select count(*) as n from doomed`.execute(store.db);
        last = rows[0]?.n ?? 0;
      }
    } catch (error) {
      if (!signal.aborted) log.warn({ table, error: (error as Error).message }, 'it cannot be purged now');
    }
    if (total > 0) log.info({ table, rows: total }, 'what is past its time was purged');
  }
}

/** The rows of a table whose `condition` holds, as `doomed`: one batch. */
const doomed = (table: string, id: string, condition: RawBuilder<unknown>) =>
  sql`doomed as materialized (select ${sql.ref(id)} as id from ${sql.table(table)} t where ${condition}
    limit ${sql.lit(batch)})`;

/** Deletes the rows of a table that `doomed` names. */
const drop = (table: string, id = 'id') =>
  sql`deleted as (delete from ${sql.table(table)} where ${sql.ref(id)} in (select id from doomed))`;

const untag = (type: string) => sql`untagged as (delete from taggings
  where resource_type = ${type} and resource_id in (select id::text from doomed))`;

/** By table, in this order: what others refer to goes after them. */
function statements({ gone, actions, audit, events, tokens }: Record<keyof Retention, Date>) {
  return {
    image_transfers: sql`${doomed('image_transfers', 'id', sql`ended_at < ${actions}`)}, ${drop('image_transfers')}`,
    // A droplet that is there shows the image that it was made from.
    images: sql`${doomed(
      'images',
      'id',
      sql`gone_at < ${gone}
        and not exists (select from droplets where image_id = t.id and deleted_at is null)`,
    )},
      transfers as (delete from image_transfers where image_id in (select id from doomed)),
      ${untag('image')}, ${drop('images')}`,
    volumes: sql`${doomed('volumes', 'id', sql`gone_at < ${gone}`)}, ${untag('volume')}, ${drop('volumes')}`,
    // A volume that is there may still be made from it.
    volume_snapshots: sql`${doomed(
      'volume_snapshots',
      'id',
      sql`gone_at < ${gone} and not exists (select from volumes where snapshot_id = t.id and gone_at is null)`,
    )}, ${untag('volume_snapshot')}, ${drop('volume_snapshots')}`,
    associated_destroys: sql`${doomed(
      'associated_destroys',
      'droplet_id',
      sql`exists (select from droplets where id = t.droplet_id and gone_at < ${gone})`,
    )}, ${drop('associated_destroys', 'droplet_id')}`,
    droplets: sql`${doomed(
      'droplets',
      'id',
      sql`gone_at < ${gone}
        and not exists (select from volumes where droplet_id = t.id)
        and not exists (select from reserved_ips where droplet_id = t.id)
        and not exists (select from associated_destroys where droplet_id = t.id)`,
    )}, ${untag('droplet')}, ${drop('droplets')}`,
    machines: sql`${doomed('machines', 'id', sql`gone_at < ${gone}`)}, ${drop('machines')}`,
    autoscale_history: sql`${doomed(
      'autoscale_history',
      'id',
      sql`created_at < ${actions}
        or exists (select from autoscale_pools where id = t.pool_id and deleted_at < ${gone})`,
    )}, ${drop('autoscale_history')}`,
    autoscale_pools: sql`${doomed(
      'autoscale_pools',
      'id',
      sql`deleted_at < ${gone} and not exists (select from droplets where autoscale_pool_id = t.id)
        and not exists (select from autoscale_history where pool_id = t.id)`,
    )}, ${drop('autoscale_pools')}`,
    // Their number per team is kept in `counters`.
    actions: sql`${doomed('actions', 'id', sql`completed_at < ${actions}`)},
      deleted as (delete from actions where id in (select id from doomed) returning team_id),
      counted as (
        insert into counters as c (team_id, kind, slot, n)
        select team_id, 'action', counter_slot(), -count(*) from deleted group by team_id
        on conflict (team_id, kind, slot) do update set n = c.n + excluded.n
      )`,
    audit: sql`${doomed('audit', 'id', sql`at < ${audit}`)}, ${drop('audit')}`,
    events: sql`doomed as materialized (select xid, id from events where at < ${events} limit ${sql.lit(batch)}),
      deleted as (delete from events where (xid, id) in (select xid, id from doomed))`,
    tokens: sql`${doomed('tokens', 'id', sql`expires_at < ${tokens} or revoked_at < ${tokens}`)}, ${drop('tokens')}`,
    // A resource that is settled needs no row until it is woken again.
    reconcile: sql`doomed as materialized (select kind, id from reconcile
        where done = wanted and owner is null and due < ${gone} limit ${sql.lit(batch)} for update skip locked),
      deleted as (delete from reconcile where (kind, id) in (select kind, id from doomed))`,
  };
}
