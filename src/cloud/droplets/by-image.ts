import type { Queryable } from '../../store/store.ts';

/** How many droplets there are of each image, of all teams, by the image's id. */
export async function dropletsByImage(db: Queryable): Promise<ReadonlyMap<number, number>> {
  const rows = await db
    .selectFrom('droplets')
    .select(({ fn }) => ['image_id', fn.countAll<number>().as('count')])
    .where('deleted_at', 'is', null)
    .groupBy('image_id')
    .execute();
  return new Map(rows.map(({ image_id, count }) => [image_id, count]));
}
