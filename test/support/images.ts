import type { TestAtoll } from './atoll.ts';

/** A snapshot or backup as the loop leaves it, but for its disk; answers its id. */
export async function snapshotImage(
  { database }: Pick<TestAtoll, 'database'>,
  image: { teamId: string; type: 'snapshot' | 'backup'; status?: string; dropletId?: number },
): Promise<number> {
  const { id } = await database.store.db
    .insertInto('images')
    .values({
      team_id: image.teamId,
      name: image.type,
      type: image.type,
      status: image.status ?? 'available',
      regions: ['nyc3'],
      min_disk_gib: 25,
      droplet_id: image.dropletId ?? null,
      created_at: new Date(),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}
