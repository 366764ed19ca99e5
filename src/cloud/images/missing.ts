/** Images that were taken or imported and whose bytes the engine does not have any more. */
import { sql } from 'kysely';
import type { Clock } from '../../control/clock.ts';
import type { Compute } from '../../engine/compute/port.ts';
import type { Log } from '../../log.ts';
import type { Queryable, Store } from '../../store/store.ts';
import { customName, imageUrn, savedName } from './row.ts';

export interface MissingImagesDeps {
  store: Store;
  clock: Clock;
  log: Log;
  compute: Pick<Compute, 'listSaved' | 'images'>;
}

/** What the engine has: the URNs of kept disks, and the names of images. */
interface Held {
  saved: string[];
  imported: string[];
}

/**
 * Writes down which available images the engine has lost, and which are back: none is taken or imported again. `held`:
 * what the engine has just told.
 */
export async function noteMissingImages(
  { store, clock, log, compute }: MissingImagesDeps,
  held: Held,
): Promise<void> {
  const changed = await outOfStep(store.db, held);
  if (changed.length === 0) return;
  // One may have become available since the engine was asked: it is asked once more about what is now.
  const [saved, imported] = await Promise.all([compute.listSaved(), compute.images()]);
  const still = new Set(await outOfStep(store.db, { saved: saved.map(({ urn }) => urn), imported }));
  for (const id of changed.filter((each) => still.has(each))) {
    const row = await store.db
      .updateTable('images')
      .set({ missing_at: sql`case when missing_at is null then ${clock.now()}::timestamptz end` })
      .where('id', '=', id)
      .returning('missing_at')
      .executeTakeFirst();
    if (row?.missing_at) log.error({ image: id }, 'the bytes of an image are missing');
    else log.info({ image: id }, 'the bytes of an image are back');
  }
}

/** The available images that are not known as what they are, missing or not. */
async function outOfStep(db: Queryable, { saved, imported }: Held): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id from images
    where status = 'available' and deleted_at is null and gone_at is null and (missing_at is null) <>
      (case when type = 'custom' then ${customName('')} || id = any(${imported}::text[])
        else ${imageUrn('')} || id = any(${saved}::text[]) end)`.execute(db);
  return rows.map(({ id }) => id);
}

/** What a client is told of an image whose bytes are missing. */
export const missingImageText = (id: number, since: Date): string =>
  `${id} has been missing on its host since ${since.toISOString()}. It cannot be used until the operator has brought ` +
  'it back, which ./atoll doctor tells of.';

/** An image whose bytes are missing, for the operator. */
export interface MissingImage {
  kind: 'image';
  id: string;
  name: string;
  since: Date;
  /** What the compute engine calls it. */
  engineName: string;
}

/** All images whose bytes are missing, of all teams, the longest missing first; at most `most`. */
export async function missingImages(db: Queryable, most: number): Promise<MissingImage[]> {
  const { rows } = await sql<MissingImage>`
    select 'image' as kind, id::text, name, missing_at as since,
      case when type = 'custom' then ${customName('')} || id else ${savedName('')} || id end as "engineName"
    from images where missing_at is not null and deleted_at is null order by since, id limit ${most}`.execute(
    db,
  );
  return rows;
}
