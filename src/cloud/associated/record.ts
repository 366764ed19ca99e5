/** The record of a droplet that is destroyed together with resources: who asked, for what, and how each went. */
import type { Caller } from '../../base/caller.ts';
import type { Queryable } from '../../store/store.ts';
import type { Belonging } from '../product.ts';

export interface Destroyed extends Belonging {
  destroyed_at?: string;
  /** Why it could not be destroyed, for a person. */
  error_message?: string;
}

export interface Destruction {
  caller: Caller;
  requestId: string;
  droplet: { id: string; name: string };
  resources: Destroyed[];
}

/** The record of a team's droplet, and when the droplet itself was deleted. */
export async function readDestruction(
  db: Queryable,
  dropletId: number,
  teamId?: string,
): Promise<(Destruction & { dropletDestroyedAt: Date | null }) | undefined> {
  const row = await db
    .selectFrom('associated_destroys')
    .innerJoin('droplets', 'droplets.id', 'associated_destroys.droplet_id')
    .select(['resources', 'droplets.gone_at'])
    .where('droplet_id', '=', dropletId)
    .$if(teamId !== undefined, (query) => query.where('associated_destroys.team_id', '=', teamId ?? ''))
    .executeTakeFirst();
  return row && { ...(row.resources as unknown as Destruction), dropletDestroyedAt: row.gone_at };
}

export async function writeDestruction(
  db: Queryable,
  dropletId: number,
  { caller, requestId, droplet, resources }: Destruction,
): Promise<void> {
  await db
    .updateTable('associated_destroys')
    .set({ resources: JSON.stringify({ caller, requestId, droplet, resources }) })
    .where('droplet_id', '=', dropletId)
    .execute();
}
