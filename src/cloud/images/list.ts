/** Which images a list shows, and how many there are in all. */
import { sql } from 'kysely';
import type { Page } from '../../http/pagination.ts';
import type { Queryable } from '../../store/store.ts';
import { idsTagged } from '../tags/index.ts';
import { applicationImages, type Image, images } from './catalogue.ts';
import { selectImages } from './row.ts';
import { type ImageView, imageView, ownImageView } from './view.ts';

export interface ImageFilter {
  teamId: string;
  type?: 'distribution' | 'application';
  /** Only images of the team's own. */
  private?: boolean;
  tag?: string;
}

/** One page of the public images that `orderable` lets through, then the team's own, oldest first; and the total. */
export async function listImages(
  db: Queryable,
  filter: ImageFilter,
  page: Page,
  orderable: (image: Image) => boolean,
): Promise<{ views: ImageView[]; total: number }> {
  const publicOnes = publicImages(filter).filter(orderable);
  const shown = publicOnes.slice(page.offset, page.offset + page.limit).map(({ id }) => imageView(id));
  if (filter.type !== undefined) return { views: shown, total: publicOnes.length };
  const own = ownImages(db, filter);
  const [{ count }, rows] = await Promise.all([
    own.clearSelect().select(sql<number>`count(*)`.as('count')).executeTakeFirstOrThrow(),
    own
      .orderBy('images.id')
      .limit(page.limit - shown.length)
      .offset(Math.max(0, page.offset - publicOnes.length))
      .execute(),
  ]);
  return { views: [...shown, ...rows.map(ownImageView)], total: publicOnes.length + count };
}

function publicImages({ type, private: own, tag }: ImageFilter): readonly Image[] {
  // Public images carry no tags.
  if (own || tag !== undefined) return [];
  if (type === 'distribution') return images;
  if (type === 'application') return applicationImages;
  return [...images, ...applicationImages];
}

function ownImages(db: Queryable, { teamId, tag }: ImageFilter) {
  const own = selectImages(db).where('images.team_id', '=', teamId).where('images.deleted_at', 'is', null);
  if (tag === undefined) return own;
  return own.where(sql<boolean>`images.id::text in (${idsTagged('image', teamId, tag)})`);
}
