/**
 * What the operator's command writes: builds of public images. A build has its row before anything of it is in the engine;
 * what is interrupted afterwards is given up by the next command, and cleared from the engine by that or by the sweep.
 */
import { sql } from 'kysely';
import type { Queryable, Store } from '../../store/store.ts';
import { applicationImages, type Image, resolveImage } from './catalogue.ts';
import { latestBuilds, type PublicImageRow, publicName } from './public-images.ts';

/** Where a build comes from. */
export type Origin = 'suite' | 'url' | 'file' | 'simulated';

export interface NewBuild {
  slug: string;
  name: string;
  distribution: string;
  origin: Origin;
  /** For a person: the suite and its mirror, the address, the file's name. */
  source: string;
}

export interface Build {
  number: number;
  /** Of the image in the API. */
  id: number;
  /** What the engine is to call it. */
  engineImage: string;
}

/** Why a slug cannot be added; undefined where it can. */
export function whyNotAdded(slug: string, mode: 'real' | 'simulated'): string | undefined {
  if (!/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(slug) || !/[a-z]/.test(slug) || slug.length > 64)
    return `${slug} is no slug: lower-case letters, digits, and dots or dashes between them are needed, as in ubuntu-24-04-x64`;
  if (applicationImages.some((image) => image.slug === slug))
    return `${slug} is an application: it is installed on a distribution's image, which can be added`;
  const image = resolveImage(slug);
  if (image?.built)
    return `${slug} is built by ./atoll up, which builds it anew where its recipe has changed`;
  if (mode === 'simulated' && image)
    return `${slug} can be ordered already: a simulated Atoll has all images of the catalogue`;
  return undefined;
}

/** What a slug is called in the catalogue. */
export const catalogueImage = (slug: string): Image | undefined => resolveImage(slug);

/** Writes a build down that nothing can be ordered of yet. Its id is the catalogue's, or that of earlier builds. */
export async function beginBuild(db: Queryable, build: NewBuild, at: Date): Promise<Build> {
  const known = resolveImage(build.slug)?.id ?? null;
  const { number, id, nonce } = await db
    .insertInto('public_images')
    .values({
      ...build,
      id: sql<number>`coalesce((select id from public_images where slug = ${build.slug} limit 1), ${known}::bigint,
        nextval('public_image_ids'))`,
      created_at: at,
    })
    .returning(['number', 'id', 'nonce'])
    .executeTakeFirstOrThrow();
  return { number, id, engineImage: publicName({ id, nonce }) };
}

/** From now on orders get this build. Answers the engine's names of what it replaces, which nobody needs any more. */
export async function finishBuild(
  store: Store,
  { number }: Pick<Build, 'number'>,
  { bytes, minDiskGib }: { bytes: number | null; minDiskGib: number },
  at: Date,
): Promise<string[]> {
  return store.transaction(async (tx) => {
    const replaced = await tx
      .updateTable('public_images')
      .set({ gone_at: at })
      .where('slug', '=', sql<string>`(select slug from public_images where number = ${number})`)
      .where('ready_at', 'is not', null)
      .where('gone_at', 'is', null)
      .returning(['id', 'nonce', 'origin'])
      .execute();
    await tx
      .updateTable('public_images')
      .set({ ready_at: at, bytes, min_disk_gib: minDiskGib })
      .where('number', '=', number)
      .executeTakeFirstOrThrow();
    return inEngine(replaced);
  });
}

/** Gives up what was begun and is not ready: by whoever knows that nobody is at it. Answers the engine's names. */
export async function abandonBuilds(db: Queryable, at: Date): Promise<string[]> {
  const rows = await db
    .updateTable('public_images')
    .set({ gone_at: at })
    .where('ready_at', 'is', null)
    .where('gone_at', 'is', null)
    .returning(['id', 'nonce', 'origin'])
    .execute();
  return inEngine(rows);
}

/** Lets nobody order a slug any more. Answers the engine's names of what it had; undefined where it was not added. */
export async function withdrawImage(db: Queryable, slug: string, at: Date): Promise<string[] | undefined> {
  const rows = await db
    .updateTable('public_images')
    .set({ gone_at: at })
    .where('slug', '=', slug)
    .where('gone_at', 'is', null)
    .where('ready_at', 'is not', null)
    .returning(['id', 'nonce', 'origin'])
    .execute();
  return rows.length === 0 ? undefined : inEngine(rows);
}

/** What was added and is not removed. */
export const addedImages = async (db: Queryable): Promise<PublicImageRow[]> =>
  (await latestBuilds(db)).filter(({ gone_at }) => gone_at === null);

/** The engine has nothing of those that are only simulated. */
const inEngine = (rows: Pick<PublicImageRow, 'id' | 'nonce' | 'origin'>[]): string[] =>
  rows.filter(({ origin }) => origin !== 'simulated').map(publicName);
