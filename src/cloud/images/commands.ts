/** Importing, changing and deleting images of a team's own. */
import type { Static } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { type Asked, command } from '../../control/command.ts';
import { ApiError, invalid, notFound, quoted, unprocessable } from '../../http/errors.ts';
import type { Store, Tx } from '../../store/store.ts';
import { imagesOfDropletChanged } from '../droplet-state/index.ts';
import { checkRegion } from '../regions/index.ts';
import { checkTagNames, ensureTags, tagResources, tagsGiven, tagsTaken } from '../tags/index.ts';
import { publicImages } from './public-images.ts';
import { imageKind } from './reconcile.ts';
import { findOwnImage, type ImageRow, imageUrn } from './row.ts';
import { distributionOf, type ImageCreate, type ImageUpdate } from './schema.ts';
import { deleteImages } from './snapshots.ts';

export interface ImageCommandDeps {
  store: Store;
  clock: Clock;
}

/**
 * Begins the import of an image from an address; the loop fetches and converts it.
 * @throws ApiError 422 naming the field
 */
export async function createCustomImage(
  deps: ImageCommandDeps,
  request: Asked & { body: Static<typeof ImageCreate> },
): Promise<ImageRow> {
  const { caller, body } = request;
  const url = checkUrl(body.url);
  const region = checkRegion('region', body.region).slug;
  const tagNames = checkTagNames('tags', body.tags ?? []);
  return command(deps, request, 'images_create_custom', async ({ tx, at, changed }) => {
    const { id } = await tx
      .insertInto('images')
      .values({
        team_id: caller.teamId,
        name: body.name,
        description: body.description ?? '',
        distribution: distributionOf(body.distribution ?? ''),
        type: 'custom',
        status: 'NEW',
        regions: [region],
        min_disk_gib: 0,
        url,
        created_at: at,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const tags = await ensureTags(tx, caller.teamId, tagNames, deps.clock);
    await tagResources(tx, tags, 'image', [String(id)], deps.clock);
    changed(...tagsGiven(tags), { urn: imageUrn(id), change: 'created', wake: [imageKind, String(id)] });
    const row = await findOwnImage(tx, caller.teamId, id);
    if (!row) throw new Error(`Image ${id} was not made.`);
    return row;
  });
}

/** Changes what is given of name, distribution and description. @throws ApiError 403 for a public image, 404, 422 */
export function updateImage(
  deps: ImageCommandDeps,
  request: Asked & { body: Static<typeof ImageUpdate> },
  imageId: number,
): Promise<ImageRow> {
  const { caller, body } = request;
  return command(deps, request, 'images_update', async ({ tx, changed }) => {
    const image = await lockImage(tx, caller, imageId);
    if (body.name === undefined && body.distribution === undefined && body.description === undefined)
      throw unprocessable('name, distribution or description is missing: it says what to change.');
    const values = {
      name: body.name ?? image.name,
      distribution: body.distribution === undefined ? image.distribution : distributionOf(body.distribution),
      description: body.description ?? image.description,
    };
    await tx.updateTable('images').set(values).where('id', '=', image.id).execute();
    changed({ urn: imageUrn(image.id), change: 'changed' });
    return { ...image, ...values };
  });
}

/**
 * Deletes an image; droplets made from it stay. @throws ApiError 403 for a public image, 404, 422 for one that is
 * deleted already (terraform takes just that message for success) or that a droplet is busy with
 */
export function deleteImage(deps: ImageCommandDeps, request: Asked, imageId: number): Promise<void> {
  return command(deps, request, 'images_delete', async ({ tx, at, changed }) => {
    const image = await lockImage(tx, request.caller, imageId, { deleted: true });
    if (image.deleted_at) throw unprocessable('Image Can not delete an already deleted image.');
    if (image.type !== 'custom' && image.status === 'pending') {
      throw unprocessable('Image is still being taken of its Droplet. Delete it when it is available.');
    }
    const [deleted] = await deleteImages(tx, [image.id], at);
    changed({ urn: imageUrn(image.id), change: 'deleted' });
    changed(...tagsTaken(deleted?.tags ?? []), ...(await imagesOfDropletChanged(tx, image.droplet_id)));
  });
}

/** The team's image, kept from being changed by others until the transaction ends. @throws ApiError 403, 404 */
export async function lockImage(
  tx: Tx,
  caller: Caller,
  imageId: number,
  { deleted = false }: { deleted?: boolean } = {},
): Promise<ImageRow> {
  const row = await tx
    .selectFrom('images')
    .selectAll()
    .where('id', '=', imageId)
    .where('team_id', '=', caller.teamId)
    .forUpdate()
    .executeTakeFirst();
  if (!row && (await publicImages(tx)).resolve(imageId))
    throw new ApiError('forbidden', 'This image is public: only images of your own can be changed.');
  if (!row || (row.deleted_at && !deleted)) throw notFound();
  const tags = row.deleted_at ? [] : ((await findOwnImage(tx, caller.teamId, imageId))?.tags ?? []);
  return { ...row, tags };
}

/** @throws ApiError 422 where the text is no address that can be fetched */
function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw invalid('url', `${quoted(text)} is not an address that begins with http:// or https://.`);
  if (url.username || url.password)
    throw invalid('url', 'holds a user name or password: give a public or presigned one.');
  return url.href;
}
