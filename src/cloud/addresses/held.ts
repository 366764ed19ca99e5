/** Addresses of what is in quarantine: nobody else is given them until it is removed. */
import { sql } from 'kysely';
import type { Store } from '../../store/store.ts';

/** The `droplet_id` of an address that something in quarantine has; no droplet has an id below 1. */
const inQuarantine = -1;

export interface HeldAddress {
  pool: string;
  ip: string;
}

/** Whether any address is held. */
export async function holdsAddresses({ db }: Pick<Store, 'db'>): Promise<boolean> {
  const row = await db
    .selectFrom('addresses')
    .select('ip')
    .where('droplet_id', '=', inQuarantine)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Takes these addresses out of their pools, and gives back at `at` those that were held and are not among them. One that
 * a droplet of this database has stays with that; what is outside of its pool's range is nobody's.
 */
export async function holdAddresses(
  { db }: Pick<Store, 'db'>,
  held: readonly HeldAddress[],
  at: Date,
): Promise<void> {
  const wanted = sql`unnest(${held.map(({ pool }) => pool)}::text[], ${held.map(({ ip }) => ip)}::inet[])`;
  await sql`insert into addresses as a (pool, ip, droplet_id)
    select distinct pool, held.ip, ${inQuarantine}::bigint from ${wanted} held (pool, ip)
      join address_pools using (pool) where held.ip <<= range::inet
    on conflict (pool, ip) do update set droplet_id = excluded.droplet_id where a.droplet_id is null`.execute(
    db,
  );
  await sql`update addresses set droplet_id = null, released_at = ${at}
    where droplet_id = ${inQuarantine}
      and not exists (select from ${wanted} held (pool, ip) where held.pool = addresses.pool and held.ip = addresses.ip)`.execute(
    db,
  );
}
