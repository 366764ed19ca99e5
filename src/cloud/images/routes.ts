import { importsAreOff } from '../../engine/importer/off.ts';
import { ApiError, notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { actionHistory, beginOperation } from '../actions/index.ts';
import type { ImageHost } from '../context.ts';
import { actOnImage } from './act.ts';
import { withAwaited } from './awaited.ts';
import type { Image } from './catalogue.ts';
import { createCustomImage, deleteImage, type ImageCommandDeps, updateImage } from './commands.ts';
import { listImages } from './list.ts';
import { type PublicImages, publicImages } from './public-images.ts';
import { findOwnImage } from './row.ts';
import {
  ImageActionRequest,
  ImageAnswer,
  ImageCreate,
  ImageFilters,
  ImageId,
  ImageRef,
  ImageUpdate,
} from './schema.ts';
import { engineImageFor } from './source.ts';
import { transferOperations } from './transfer-routes.ts';
import { ImageSchema, type ImageView, imageView, ownImageView } from './view.ts';

export interface ImagesDeps extends ImageCommandDeps {
  imageHost: ImageHost;
}

/**
 * The operations of images, of their actions and of their transfers.
 *
 * The list has what can be ordered on this host and nothing else: tools pick from it. By its id or slug an image is
 * answered in any case, as `retired` if it cannot be ordered here, so that a configuration that names it can be read.
 */
export function imagesOperations(deps: ImagesDeps): Operation[] {
  const { store, imageHost } = deps;
  /** As of now: what is being made shows, since it can be ordered. */
  async function orderableOf(offered: PublicImages): Promise<(image: Image) => boolean> {
    const host = await withAwaited(store.db, imageHost);
    return (image) => 'ok' in engineImageFor(image, host, offered);
  }

  /** @throws ApiError 404 */
  async function visible(teamId: string, idOrSlug: string): Promise<ImageView> {
    const offered = await publicImages(store.db);
    const image = offered.resolve(idOrSlug);
    if (image)
      return (await orderableOf(offered))(image)
        ? imageView(image)
        : { ...imageView(image), status: 'retired' };
    const own = /^\d{1,15}$/.test(idOrSlug)
      ? await findOwnImage(store.db, teamId, Number(idOrSlug))
      : undefined;
    if (!own) throw notFound();
    return ownImageView(own);
  }

  return [
    listOperation({
      id: 'images_list',
      path: '/v2/images',
      summary: 'List the images that droplets can be made of',
      scopes: ['image:read'],
      filters: ImageFilters,
      key: 'images',
      item: ImageSchema,
      async list({ caller: { teamId }, query: { type, private: own, tag_name: tag } }, page) {
        const offered = await publicImages(store.db);
        const orderable = await orderableOf(offered);
        return listImages(store.db, { teamId, type, own, tag }, page, { offered, orderable });
      },
    }),
    operation({
      id: 'images_create_custom',
      method: 'POST',
      path: '/v2/images',
      summary: 'Import an image from an address',
      scopes: ['image:create'],
      body: ImageCreate,
      status: 202,
      response: ImageAnswer,
      async handler(request) {
        if (deps.imageHost.imports === false) throw new ApiError('forbidden', importsAreOff);
        return { image: ownImageView(await createCustomImage(deps, request)) };
      },
    }),
    operation({
      id: 'images_get',
      method: 'GET',
      path: '/v2/images/{image_id}',
      summary: 'Get an image by its id or slug',
      scopes: ['image:read'],
      params: ImageRef,
      status: 200,
      response: ImageAnswer,
      async handler(request) {
        return { image: await visible(request.caller.teamId, request.params.image_id) };
      },
    }),
    operation({
      id: 'images_update',
      method: 'PUT',
      path: '/v2/images/{image_id}',
      summary: 'Change the name, distribution or description of an image',
      scopes: ['image:update'],
      params: ImageId,
      body: ImageUpdate,
      status: 200,
      response: ImageAnswer,
      async handler(request) {
        return { image: ownImageView(await updateImage(deps, request, request.params.image_id)) };
      },
    }),
    operation({
      id: 'images_delete',
      method: 'DELETE',
      path: '/v2/images/{image_id}',
      summary: 'Delete an image of your own',
      scopes: ['image:delete'],
      params: ImageId,
      status: 204,
      handler: (request) => deleteImage(deps, request, request.params.image_id),
    }),
    beginOperation({
      id: 'imageActions_post',
      path: '/v2/images/{image_id}/actions',
      summary: 'Transfer an image to another region, or convert a backup into a snapshot',
      scopes: ['image:update'],
      params: ImageId,
      body: ImageActionRequest,
      status: 201,
      act: (request) => actOnImage(deps, request, request.params.image_id),
    }),
    ...actionHistory({
      store,
      ids: 'imageActions',
      path: '/v2/images/{image_id}',
      params: ImageId,
      scopes: ['image:read'],
      name: 'an image',
      types: ['image'],
      resourceId: ({ image_id }) => String(image_id),
      visible: ({ image_id }, { teamId }) => visible(teamId, String(image_id)),
    }),
    ...transferOperations(deps),
  ];
}
