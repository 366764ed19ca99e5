import { sql } from 'kysely';
import type { Queryable } from './store.ts';

/** What is counted per team by the database's own triggers. */
export type Counted = 'droplet' | 'action';

/** How many of a kind a team has: about the same cost for a hundred and for a hundred thousand. */
export async function countOf(db: Queryable, teamId: string, kind: Counted): Promise<number> {
  const counts =
    kind === 'droplet'
      ? sql`droplet_blocks where list = ${teamId}::text`
      : sql`counters where team_id = ${teamId} and kind = ${kind}`;
  const { rows } = await sql<{
    total: number;
  }>`select coalesce(sum(n), 0)::bigint as total from ${counts}`.execute(db);
  return rows[0]?.total ?? 0;
}
