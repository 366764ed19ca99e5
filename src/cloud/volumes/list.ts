/** Which volumes a list shows, and how many there are in all. */

import type { Caller } from '../../base/caller.ts';
import type { Listed } from '../../http/list.ts';
import { anyOf } from '../../store/any-of.ts';
import { type PageOfRows, selectPage } from '../../store/page.ts';
import type { Queryable } from '../../store/store.ts';
import { selectVolumes, type VolumeRow } from './row.ts';

/** One page of a team's volumes, oldest first, by name, region or both; and the total. */
export async function listVolumes(
  db: Queryable,
  { teamId }: Pick<Caller, 'teamId'>,
  { name, region }: { name?: string; region?: string },
  page: PageOfRows,
): Promise<Listed<VolumeRow>> {
  let matching = db
    .selectFrom('volumes')
    .select('id')
    .where('team_id', '=', teamId)
    .where('deleted_at', 'is', null);
  if (name !== undefined) matching = matching.where('name', '=', name);
  if (region !== undefined) matching = matching.where('region', '=', region.toLowerCase());
  const { rows: shown, total } = await selectPage(matching.orderBy('created_at').orderBy('id'), page);
  const rows = await selectVolumes(db)
    .where(
      anyOf(
        'volumes.id',
        shown.map(({ id }) => id),
      ),
    )
    .orderBy('volumes.created_at')
    .orderBy('volumes.id')
    .execute();
  return { rows, total };
}
