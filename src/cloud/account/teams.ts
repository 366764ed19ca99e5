/** Teams and people, as other products ask for them. */
import { type RawBuilder, sql } from 'kysely';
import type { Queryable, Tx } from '../../store/store.ts';

/** The team with this UUID. */
export const findTeam = (db: Queryable, id: string): Promise<{ id: string } | undefined> =>
  db.selectFrom('teams').select('id').where('id', '=', id).executeTakeFirst();

/**
 * How many of something a team may have. With `lock`, others who ask so wait until the transaction ends: what is counted
 * then is all there is.
 */
export async function teamLimit(
  tx: Tx,
  teamId: string,
  limit: 'volume_limit' | 'reserved_ip_limit',
  lock?: 'lock',
): Promise<number> {
  const { most } = await tx
    .selectFrom('teams')
    .select((eb) => eb.ref(limit).as('most'))
    .where('id', '=', teamId)
    .$if(lock !== undefined, (query) => query.forNoKeyUpdate())
    .executeTakeFirstOrThrow();
  return most;
}

/** SQL for a person's e-mail address, in small letters. */
export const emailOf = (userId: string): RawBuilder<string> =>
  sql<string>`(select lower(email) from users where users.id = ${userId})`;
