import { type RawBuilder, sql } from 'kysely';
import type { Queryable } from './store.ts';

/** What is counted per team by the database's own triggers. */
export type Counted = 'droplet' | 'action';

/** SQL for how many of a kind a team has: about the same cost for a hundred and for a hundred thousand. */
export function countSql(teamId: string, kind: Counted): RawBuilder<number> {
  const counts =
    kind === 'droplet'
      ? sql`droplet_blocks where list = ${teamId}::text`
      : sql`counters where team_id = ${teamId} and kind = ${kind}`;
  return sql<number>`(select coalesce(sum(n), 0)::bigint from ${counts})`;
}

/** How many of a kind a team has. */
export async function countOf(db: Queryable, teamId: string, kind: Counted): Promise<number> {
  const { rows } = await sql<{ total: number }>`select ${countSql(teamId, kind)} as total`.execute(db);
  return rows[0]?.total ?? 0;
}
