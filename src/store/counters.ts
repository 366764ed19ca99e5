import { type RawBuilder, sql } from 'kysely';
import type { Queryable } from './store.ts';

/** What is counted per team by the database's own triggers. */
export type Counted = 'droplet' | 'action';

/** SQL for how many of a kind a team has: the same cost for a hundred and for a hundred thousand. */
export const countSql = (teamId: string, kind: Counted): RawBuilder<number> =>
  sql<number>`(select coalesce(sum(n), 0)::bigint from counters where team_id = ${teamId} and kind = ${kind})`;

/** How many of a kind a team has. */
export async function countOf(db: Queryable, teamId: string, kind: Counted): Promise<number> {
  const { rows } = await sql<{ total: number }>`select ${countSql(teamId, kind)} as total`.execute(db);
  return rows[0]?.total ?? 0;
}
