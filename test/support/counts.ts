import type { Queryable } from '../../src/store/store.ts';

const tables = [
  'actions',
  'audit',
  'droplets',
  'image_transfers',
  'ssh_keys',
  'taggings',
  'tags',
  'vpcs',
] as const;

/**
 * How many rows there are of all that a request can make, over all teams. The control loop adds none of them, so
 * a request that was refused leaves the numbers as they were.
 */
export async function rowCounts(db: Queryable): Promise<Record<(typeof tables)[number], number>> {
  return db
    .selectNoFrom((eb) =>
      tables.map((table) =>
        eb
          .selectFrom(table)
          .select((count) => count.fn.countAll<number>().as('n'))
          .as(table),
      ),
    )
    .executeTakeFirstOrThrow() as Promise<Record<(typeof tables)[number], number>>;
}
