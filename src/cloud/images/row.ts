/** An image of a team's own as the database has it. Public images are no rows: see catalogue.ts. */
import type { Selectable } from 'kysely';
import type { Images } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { type Named, nameInEngine } from '../engine-name.ts';
import { tagsOf } from '../tags/index.ts';

export type ImageRow = Selectable<Images> & { tags: string[] };

export const imageUrn = (id: number | string): string => `do:image:${id}`;
/** The engine's name of the disk snapshot of a snapshot or backup. */
export const snapshotName = (row: Named): string => nameInEngine('image', row);
/** The engine's name of an imported image. */
export const customName = (row: Named): string => nameInEngine('custom', row);

/** A query for rows with their tags; the caller says which. */
export function selectImages(db: Queryable) {
  return db.selectFrom('images').selectAll('images').select(tagsOf('image', 'images.id').as('tags'));
}

/** The team's image of this id, unless it is deleted; with `lock`, it stays as it is until the transaction ends. */
export async function findOwnImage(
  db: Queryable,
  teamId: string,
  id: number,
  lock?: 'lock',
): Promise<ImageRow | undefined> {
  return selectImages(db)
    .where('images.id', '=', id)
    .where('images.team_id', '=', teamId)
    .where('images.deleted_at', 'is', null)
    .$if(lock !== undefined, (query) => query.forUpdate('images'))
    .executeTakeFirst();
}
