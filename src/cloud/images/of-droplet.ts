/** The images that were taken of a droplet, as droplets ask for them. */
import { type RawBuilder, sql } from 'kysely';
import type { Queryable } from '../../store/store.ts';

/** A droplet's images by what they are. */
export interface ImagesOfDroplet {
  snapshot_ids: number[];
  backup_ids: number[];
  /** Those that are still to be taken of it. */
  pending_snapshot_ids: number[];
}

/** A query for them, which reads them once. `droplet`: the column of the droplet's id. */
export const imagesOf = (droplet: string): RawBuilder<ImagesOfDroplet> => sql<ImagesOfDroplet>`(
  select coalesce(array_agg(id order by id) filter (where status = 'available' and type = 'snapshot'), '{}') snapshot_ids,
    coalesce(array_agg(id order by id) filter (where status = 'available' and type = 'backup'), '{}') backup_ids,
    coalesce(array_agg(id order by id) filter (where status = 'pending'), '{}') pending_snapshot_ids
  from images where images.droplet_id = ${sql.ref(droplet)} and images.deleted_at is null)`;

/** Whether a droplet has this snapshot or backup. */
export async function isImageOf(db: Queryable, dropletId: number, imageId: number): Promise<boolean> {
  const image = await db
    .selectFrom('images')
    .select('id')
    .where('id', '=', imageId)
    .where('droplet_id', '=', dropletId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return image !== undefined;
}
