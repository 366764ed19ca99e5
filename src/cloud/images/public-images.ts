/**
 * The public images: those of the catalogue, and what the operator has added to them (`./atoll image add`). The rows are
 * read whenever they matter, so that all control planes of a database know at once what one command has added.
 */
import { type Selectable, sql } from 'kysely';
import type { PublicImages as PublicImageColumns } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { type Named, nameInEngine } from '../engine-name.ts';
import { gigabytes } from '../gigabytes.ts';
import { wireTime } from '../wire-time.ts';
import { applicationImages, type Image, images, resolveImage, resolverOf } from './catalogue.ts';

/** One build of an image that was added. */
export type PublicImageRow = Selectable<PublicImageColumns>;

export interface PublicImages {
  /** The distribution images, those of the catalogue first. */
  images: readonly Image[];
  /** As `resolveImage`, with what was added. */
  resolve(idOrSlug: number | string): Image | undefined;
}

/** What is there where nothing was added. */
export const catalogueAlone: PublicImages = { images, resolve: resolveImage };

/** What a simulated engine makes droplets of that are ordered by a slug that was added. */
const simulatedStandIn = 'debian-12';

/** How the engine's names of builds begin. */
export const publicImagePrefix = 'public-';

/** The engine's name of a build. */
export const publicName = (row: Named): string => nameInEngine('public', row);

export const engineImageOf = (row: Pick<PublicImageRow, 'id' | 'nonce' | 'origin'>): string =>
  row.origin === 'simulated' ? simulatedStandIn : publicName(row);

/** All public images as they are now. */
export async function publicImages(db: Queryable): Promise<PublicImages> {
  return withAdded(await latestBuilds(db));
}

/** Of each slug that was ever added, the build that is ordered, or else the last one that was. */
export function latestBuilds(db: Queryable): Promise<PublicImageRow[]> {
  return db
    .selectFrom('public_images')
    .selectAll()
    .distinctOn('slug')
    .where('ready_at', 'is not', null)
    .orderBy('slug')
    .orderBy(sql`gone_at is null`, 'desc')
    .orderBy('number', 'desc')
    .execute();
}

/** The catalogue with what was added. @param rows one of each slug */
export function withAdded(rows: readonly PublicImageRow[]): PublicImages {
  if (rows.length === 0) return catalogueAlone;
  const bySlug = new Map(rows.map((row) => [row.slug, row]));
  const known = images.map((image) => {
    const row = bySlug.get(image.slug);
    return row && row.gone_at === null ? { ...image, id: row.id, ...addedTo(row, image.minDisk) } : image;
  });
  const fresh = rows.filter(({ slug }) => !resolveImage(slug)).sort((a, b) => a.id - b.id);
  const all = [...known, ...fresh.map(freshImage)];
  return { images: all, resolve: resolverOf([...all, ...applicationImages]) };
}

/** What becomes of an image of the catalogue when it is added: nobody has withdrawn it here. */
function addedTo(row: PublicImageRow, least: number): Pick<Image, 'retired' | 'minDisk' | 'added'> {
  return {
    retired: false,
    minDisk: Math.max(least, row.min_disk_gib),
    added: {
      engineImage: engineImageOf(row),
      gigabytes: row.bytes === null ? null : gigabytes(row.bytes),
    },
  };
}

/** An image of a slug that is none of the catalogue; one that was removed is retired. */
function freshImage(row: PublicImageRow): Image {
  const { id, slug, name, distribution } = row;
  const image = { id, slug, name, distribution, createdAt: wireTime(row.created_at) };
  const added = addedTo(row, 1);
  return row.gone_at === null ? { ...image, ...added } : { ...image, minDisk: added.minDisk, retired: true };
}
