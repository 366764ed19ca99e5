/** Addresses of what is in quarantine: nobody else is given them until it is removed. */
import { sql } from 'kysely';
import type { Store } from '../../store/store.ts';

/** The `owner` of an address that something in quarantine has; it is no URN. */
const inQuarantine = 'quarantine';

export interface HeldAddress {
  pool: string;
  ip: string;
}

/** Whether any address is held. */
export async function holdsAddresses({ db }: Pick<Store, 'db'>): Promise<boolean> {
  const row = await db
    .selectFrom('addresses')
    .select('ip')
    .where('owner', '=', inQuarantine)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Takes these addresses out of their pools, and gives back at `at` those that were held and are not among them. One that
 * somebody of this database has stays with that; what is outside of its pool's range is nobody's.
 */
export async function holdAddresses(
  { db }: Pick<Store, 'db'>,
  held: readonly HeldAddress[],
  at: Date,
): Promise<void> {
  const wanted = sql`unnest(${held.map(({ pool }) => pool)}::text[], ${held.map(({ ip }) => ip)}::inet[])`;
  await sql`insert into addresses as a (pool, ip, owner)
    select distinct pool, held.ip, ${inQuarantine}::text from ${wanted} held (pool, ip)
      join address_pools using (pool) where held.ip <<= range::inet
    on conflict (pool, ip) do update set owner = excluded.owner where a.owner is null`.execute(db);
  await sql`update addresses set owner = null, released_at = ${at}
    where owner = ${inQuarantine}
      and not exists (select from ${wanted} held (pool, ip) where held.pool = addresses.pool and held.ip = addresses.ip)`.execute(
    db,
  );
}
