import { Type } from 'typebox';
import { importsAreOff } from '../../engine/importer/off.ts';
import { ApiError, notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageQuery, pageOf, paginated } from '../../http/pagination.ts';
import {
  type ActedOn,
  ActionList,
  ActionSchema,
  actionOf,
  actionView,
  pageOfActions,
} from '../actions/index.ts';
import type { ImageHost } from '../context.ts';
import { actOnImage } from './act.ts';
import { type Image, resolveImage } from './catalogue.ts';
import { createCustomImage, deleteImage, type ImageCommandDeps, updateImage } from './commands.ts';
import { listImages } from './list.ts';
import { findOwnImage } from './row.ts';
import {
  ImageActionId,
  ImageActionRequest,
  ImageAnswer,
  ImageCreate,
  ImageId,
  ImageList,
  ImageListQuery,
  ImageRef,
  ImageUpdate,
} from './schema.ts';
import { engineImageFor } from './source.ts';
import { transferOperations } from './transfer-routes.ts';
import { type ImageView, imageView, ownImageView } from './view.ts';

export interface ImagesDeps extends ImageCommandDeps {
  imageHost: ImageHost;
}

const ActionAnswer = Type.Object({ action: ActionSchema });

/**
 * The operations of images, of their actions and of their transfers.
 *
 * The list has what can be ordered on this host and nothing else: tools pick from it. By its id or slug an image is
 * answered in any case, as `retired` if it cannot be ordered here, so that a configuration that names it can be read.
 */
export function imagesOperations(deps: ImagesDeps): Operation[] {
  const { store, imageHost } = deps;
  const orderable = (image: Image) => 'ok' in engineImageFor(image, imageHost);

  /** @throws ApiError 404 */
  async function visible(teamId: string, idOrSlug: string): Promise<ImageView> {
    const image = resolveImage(idOrSlug);
    if (image) return orderable(image) ? imageView(image.id) : { ...imageView(image.id), status: 'retired' };
    const own = /^\d{1,15}$/.test(idOrSlug)
      ? await findOwnImage(store.db, teamId, Number(idOrSlug))
      : undefined;
    if (!own) throw notFound();
    return ownImageView(own);
  }

  return [
    operation({
      id: 'images_list',
      method: 'GET',
      path: '/v2/images',
      summary: 'List the images that droplets can be made of',
      scopes: ['image:read'],
      query: ImageListQuery,
      status: 200,
      response: ImageList,
      async handler(request) {
        const { type, private: own, tag_name: tag } = request.query;
        const filter = {
          teamId: request.caller.teamId,
          ...(type !== undefined && { type }),
          ...(own !== undefined && { private: own }),
          ...(tag !== undefined && { tag }),
        };
        const page = pageOf(request.query);
        const { views, total } = await listImages(store.db, filter, page, orderable);
        return paginated(request, page, 'images', views, total);
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
    operation({
      id: 'imageActions_list',
      method: 'GET',
      path: '/v2/images/{image_id}/actions',
      summary: 'List the actions of an image',
      scopes: ['image:read'],
      params: ImageId,
      query: PageQuery,
      status: 200,
      response: ActionList,
      async handler(request) {
        const { id } = await visible(request.caller.teamId, String(request.params.image_id));
        const page = pageOf(request.query);
        const { rows, total } = await pageOfActions(store.db, image(request.caller.teamId, id), page);
        return paginated(request, page, 'actions', rows.map(actionView), total);
      },
    }),
    operation({
      id: 'imageActions_post',
      method: 'POST',
      path: '/v2/images/{image_id}/actions',
      summary: 'Transfer an image to another region, or convert a backup into a snapshot',
      scopes: ['image:update'],
      params: ImageId,
      body: ImageActionRequest,
      status: 201,
      response: ActionAnswer,
      async handler(request) {
        return { action: actionView(await actOnImage(deps, request, request.params.image_id)) };
      },
    }),
    operation({
      id: 'imageActions_get',
      method: 'GET',
      path: '/v2/images/{image_id}/actions/{action_id}',
      summary: 'Get an action of an image',
      scopes: ['image:read'],
      params: ImageActionId,
      status: 200,
      response: ActionAnswer,
      async handler(request) {
        const { image_id: id, action_id: actionId } = request.params;
        return {
          action: actionView(await actionOf(store.db, image(request.caller.teamId, id), actionId)),
        };
      },
    }),
    ...transferOperations(deps),
  ];

  function image(teamId: string, imageId: number): ActedOn {
    return { teamId, types: ['image'], id: String(imageId) };
  }
}
