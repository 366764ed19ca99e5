import { sql } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import type { Queryable, Store } from '../../store/store.ts';
import { createToken } from './tokens.ts';

/**
 * Makes the team, its user and the first token, which can do everything, in a database that has no team yet.
 * Answers the token, which is told this once; undefined where there is a team already.
 */
export function bootstrap(store: Store, clock: Clock): Promise<{ token: string } | undefined> {
  return store.transaction(async (tx) => {
    // Of two processes that start at once, one waits here and then finds the team.
    await sql`lock table teams in share row exclusive mode`.execute(tx);
    if (await firstTeam(tx)) return undefined;
    const created_at = clock.now();
    const team = await tx
      .insertInto('teams')
      .values({ name: 'Atoll', created_at })
      .returning('id')
      .executeTakeFirstOrThrow();
    const user = await tx
      .insertInto('users')
      .values({ team_id: team.id, email: 'root@atoll.local', name: 'Atoll', created_at })
      .returning('id')
      .executeTakeFirstOrThrow();
    const first = { teamId: team.id, userId: user.id, name: 'first', scopes: ['*'] };
    const { token } = await createToken(tx, first, clock);
    return { token };
  });
}

/** The team of the first run and its user, for whom the command line acts; undefined before the first run. */
export async function firstTeam(db: Queryable): Promise<{ teamId: string; userId: string } | undefined> {
  return db
    .selectFrom('users')
    .select(['team_id as teamId', 'id as userId'])
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
}
