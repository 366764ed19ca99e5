/** Room of what is in quarantine: it has no row, and takes as much of its host all the same. */
import { sql } from 'kysely';
import type { Store } from '../../store/store.ts';
import { theHost } from './observe.ts';
import { type Asked, columnsOf } from './room.ts';

/** What the reservations of things in quarantine are called; it begins no URN. */
const inQuarantine = 'quarantine:';
const areHeld = sql<boolean>`urn like ${`${inQuarantine}%`}`;

/** Whether room is held for anything. */
export async function holdsRoom({ db }: Pick<Store, 'db'>): Promise<boolean> {
  const row = await db.selectFrom('host_reservations').select('urn').where(areHeld).executeTakeFirst();
  return row !== undefined;
}

/** Reserves for these, by their names in the engine, whatever room there is, and for nothing else that is in quarantine. */
export async function holdRoomOf(
  store: Pick<Store, 'transaction'>,
  held: readonly (Asked & { name: string })[],
): Promise<void> {
  const rows = held.map(({ name, ...asked }) => ({
    urn: `${inQuarantine}${name}`,
    host_id: theHost,
    ...columnsOf(asked),
  }));
  await store.transaction(async (tx) => {
    await sql`delete from host_reservations
      where ${areHeld} and not urn = any(${rows.map(({ urn }) => urn)}::text[])`.execute(tx);
    if (rows.length === 0) return;
    await tx
      .insertInto('host_reservations')
      .values(rows)
      .onConflict((same) => same.doNothing())
      .execute();
  });
}
