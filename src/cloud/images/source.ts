import type { DiskSource } from '../../engine/compute/port.ts';
import { invalid, quoted } from '../../http/errors.ts';
import type { Queryable } from '../../store/store.ts';
import type { ImageHost } from '../context.ts';
import { awaitedSource, withAwaited } from './awaited.ts';
import { type Image, resolveImage } from './catalogue.ts';
import { missingImageText } from './missing.ts';
import { catalogueAlone, type PublicImages, publicImages } from './public-images.ts';
import { customName, findOwnImage, snapshotName } from './row.ts';

const engineName = (slug: string): string => slug.replace(/-x64$/, '');

/** Follows the operator's aliases, also from one to the next; stops where they go in a circle. */
function aliased(slug: string, aliases: ImageHost['aliases']): string {
  const seen = new Set<string>();
  let current = slug;
  for (let next = aliases[current]; next !== undefined && !seen.has(current); next = aliases[current]) {
    seen.add(current);
    current = next;
  }
  return current;
}

/** The engine's name of the image that stands for an image on this host, be it there or not. */
function builtNameOf(image: Image, host: ImageHost, offered: PublicImages): string | undefined {
  const base = image.base === undefined ? undefined : offered.resolve(image.base);
  if (base) return builtNameOf(base, host, offered);
  const target = offered.resolve(aliased(image.slug, host.aliases));
  return (target?.added ?? target?.built)?.engineImage;
}

/** Whether this host has an image under its own slug. */
function isHere({ added, built }: Image, { available }: ImageHost): boolean {
  const name = (added ?? built)?.engineImage;
  return name !== undefined && available.includes(name);
}

/**
 * The engine's image that stands for an image on this host: built here, added by the operator, or an operator's alias of
 * one that is. A simulated host has all. `error` says why there is none and how to get one.
 * @param offered the catalogue with what was added to it; without, that alone
 */
export function engineImageFor(
  image: Image,
  host: ImageHost,
  offered: PublicImages = catalogueAlone,
): { ok: string } | { error: string } {
  const base = image.base === undefined ? undefined : offered.resolve(image.base);
  if (base) return engineImageFor(base, host, offered);
  if (host.mode === 'simulated') {
    if (image.added) return { ok: image.added.engineImage };
    if (resolveImage(image.slug)) return { ok: engineName(image.slug) };
    return { error: `${image.slug} was removed here. Add it again: ${addLine(image)}` };
  }
  const target = builtNameOf(image, host, offered);
  if (target !== undefined && host.available.includes(target)) return { ok: target };
  const why = target === undefined ? undefined : host.failed?.[target];
  const reason = why === undefined ? 'on this host' : `on this host now. ${why}`;
  const here = offered.images.filter((other) => isHere(other, host));
  const [example] = here;
  if (!example)
    return { error: `${image.slug} cannot be had: no image is built on this host yet. Run: ./atoll up` };
  const slugs = here.map((other) => other.slug).join(' or ');
  return {
    error:
      `${image.slug} cannot be had ${reason.replace(/\.$/, '')}. Order ${slugs}. To have it, the operator runs ${addLine(image)}, ` +
      `or lets another stand for it: ./atoll up --image-alias ${image.slug}=${example.slug}`,
  };
}

/** The very line that brings an image to this host. */
export function addLine({ slug, suite, built, distribution }: Image): string {
  if (built) return './atoll up';
  const add = `./atoll image add ${slug}`;
  if (suite === undefined) return `${add} --url URL-OF-A-CLOUD-IMAGE`;
  const mirror = distribution === 'Ubuntu' ? ' --mirror URL-OF-AN-UBUNTU-MIRROR' : '';
  return `${add} --suite ${suite}${mirror} (or with --url URL-OF-A-CLOUD-IMAGE)`;
}

/**
 * The image that an order means, if it can be had on this host.
 * @throws ApiError 422 saying how to get it
 */
export function orderableImage(
  idOrSlug: number | string,
  host: ImageHost,
  offered: PublicImages = catalogueAlone,
): Image {
  const image = offered.resolve(idOrSlug);
  if (!image)
    throw invalid('image', `${quoted(String(idOrSlug))} is not an image. GET /v2/images lists them.`);
  const source = engineImageFor(image, host, offered);
  if ('error' in source) throw invalid('image', source.error);
  return image;
}

/** What an order of a droplet needs to know of its image. */
export interface OrderedImage {
  id: number;
  /** GiB. */
  minDisk: number;
  distribution: string;
  /** Imported: such a droplet has no root password, as on DigitalOcean. */
  custom?: boolean;
  /** Of a snapshot or backup: the droplet that it was taken of. */
  dropletId?: number | null;
}

/** Where an ordered image is to be used. */
export interface ImagePlace {
  /** The droplet's region, by its slug. */
  region: string;
  host: ImageHost;
}

/**
 * The image that an order means: a public one that can be had on this host, or one of the team's own, by its id.
 * Public images are in all regions, a team's own only in those that its row lists, as on DigitalOcean.
 * @throws ApiError 422 saying why it cannot be had, and how it can
 */
export async function orderImage(
  db: Queryable,
  teamId: string,
  idOrSlug: number | string,
  { region, host }: ImagePlace,
): Promise<OrderedImage> {
  const own = /^\d{1,15}$/.test(String(idOrSlug))
    ? await findOwnImage(db, teamId, Number(idOrSlug))
    : undefined;
  if (!own) return orderPublicImage(db, idOrSlug, host);
  if (own.missing_at) throw invalid('image', missingImageText(own.id, own.missing_at));
  if (own.status === 'error') throw invalid('image', `${own.id} could not be imported: ${own.error_message}`);
  if (own.status !== 'available')
    throw invalid('image', `${own.id} is not available yet: its status is ${own.status}.`);
  if (!own.regions.includes(region)) {
    throw invalid(
      'image',
      `${own.id} is not available in the region ${region}, only in ${own.regions.join(', ')}. ` +
        `Transfer it to ${region} first: POST /v2/images/${own.id}/actions with type transfer.`,
    );
  }
  return {
    id: own.id,
    minDisk: own.min_disk_gib,
    distribution: own.distribution,
    custom: own.type === 'custom',
    dropletId: own.droplet_id,
  };
}

/** As `orderableImage`, with what was added: looked for only where the catalogue alone cannot serve the order. */
async function orderPublicImage(db: Queryable, idOrSlug: number | string, host: ImageHost): Promise<Image> {
  const awaited = await withAwaited(db, host);
  const image = resolveImage(idOrSlug);
  if (image && 'ok' in engineImageFor(image, awaited)) return image;
  return orderableImage(idOrSlug, awaited, await publicImages(db));
}

/**
 * What the engine has of a public image; undefined where that is none, or this host has none of it any more.
 * @throws EngineError `busy` while it is being made, `Hopeless` where that has failed
 */
async function publicSource(
  db: Queryable,
  imageId: number,
  host: ImageHost,
  at: Date,
): Promise<DiskSource | undefined> {
  const known = resolveImage(imageId);
  const source = known && engineImageFor(known, host);
  if (source && 'ok' in source) return { image: source.ok };
  const offered = await publicImages(db);
  const image = offered.resolve(imageId);
  if (!image) return undefined;
  const added = engineImageFor(image, host, offered);
  return 'ok' in added ? { image: added.ok } : awaitedSource(db, builtNameOf(image, host, offered), host, at);
}

/**
 * What the disk of a droplet with this image is made from, whoever owns it; undefined where the host no longer has
 * it. A deleted image is no source.
 * @throws EngineError `busy` while this host makes the image, `Hopeless` where it could not
 */
export async function diskSource(
  db: Queryable,
  imageId: number,
  host: ImageHost,
  at: Date,
): Promise<DiskSource | undefined> {
  if (resolveImage(imageId)) return publicSource(db, imageId, host, at);
  const own = await db
    .selectFrom('images')
    .select(['id', 'nonce', 'type'])
    .where('id', '=', imageId)
    .where('status', '=', 'available')
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (!own) return publicSource(db, imageId, host, at);
  return own.type === 'custom' ? { image: customName(own) } : { snapshot: snapshotName(own) };
}

/** The engine's names of all images: what a simulated engine has. */
export const simulatedImages = (): string[] => catalogueAlone.images.map((image) => engineName(image.slug));
