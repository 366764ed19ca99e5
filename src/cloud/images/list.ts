/** Which images a list shows, and how many there are in all. */
import { sql } from 'kysely';
import { type Listed, slicePage } from '../../http/list.ts';
import type { Page } from '../../http/pagination.ts';
import { selectPage } from '../../store/page.ts';
import type { Queryable } from '../../store/store.ts';
import { idsTagged } from '../tags/index.ts';
import { applicationImages, type Image } from './catalogue.ts';
import type { PublicImages } from './public-images.ts';
import { selectImages } from './row.ts';
import { type ImageView, imageView, ownImageView } from './view.ts';

export interface ImageFilter {
  teamId: string;
  type: 'distribution' | 'application' | undefined;
  /** Only images of the team's own. */
  own: boolean | undefined;
  tag: string | undefined;
}

/**
 * One page of those public images of `offered` that `orderable` lets through, then the team's own, oldest first; and the
 * total.
 */
export async function listImages(
  db: Queryable,
  filter: ImageFilter,
  page: Page,
  { offered, orderable }: { offered: PublicImages; orderable: (image: Image) => boolean },
): Promise<Listed<ImageView>> {
  const publicOnes = chosen(offered, filter).filter(orderable);
  const shown = slicePage(publicOnes, page);
  const views = shown.rows.map(imageView);
  if (filter.type !== undefined) return { rows: views, total: shown.total };
  const own = await selectPage(ownImages(db, filter).orderBy('images.id'), {
    limit: page.limit - views.length,
    offset: Math.max(0, page.offset - shown.total),
  });
  return { rows: [...views, ...own.rows.map(ownImageView)], total: shown.total + own.total };
}

function chosen({ images }: PublicImages, { type, own, tag }: ImageFilter): readonly Image[] {
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
