import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { PageEnvelope, pageOf, pageParameters, paginated } from '../../http/pagination.ts';
import { type Image, images, resolveImage } from './catalogue.ts';
import { engineImageFor, type ImageHost } from './source.ts';
import { ImageSchema, imageView } from './view.ts';

export interface ImagesDeps {
  imageHost: ImageHost;
}

const ListQuery = Type.Object({
  ...pageParameters,
  type: Type.Optional(Type.Enum(['distribution', 'application'])),
  private: Type.Optional(Type.Boolean({ description: 'Only images of your own.' })),
  tag_name: Type.Optional(Type.String()),
});

/**
 * GET /v2/images and GET /v2/images/{image_id}.
 *
 * The list has what can be ordered on this host and nothing else: tools pick from it. By its id or slug an image is
 * answered in any case, as `retired` if it cannot be ordered here, so that a configuration that names it can be read.
 */
export function imagesOperations({ imageHost }: ImagesDeps): Operation[] {
  const orderable = (image: Image) => 'ok' in engineImageFor(image, imageHost);
  return [
    operation({
      id: 'images_list',
      method: 'GET',
      path: '/v2/images',
      summary: 'List the images that droplets can be made of',
      scopes: ['image:read'],
      query: ListQuery,
      status: 200,
      response: Type.Object({ images: Type.Array(ImageSchema), ...PageEnvelope }),
      async handler(request) {
        const { type, private: own, tag_name: tag } = request.query;
        // There are distribution images only, and public images carry no tags.
        const none = type === 'application' || own === true || tag !== undefined;
        const listed = none ? [] : images.filter(orderable);
        const page = pageOf(request.query);
        const items = listed.slice(page.offset, page.offset + page.limit);
        const views = items.map((image) => imageView(image.id));
        return paginated(request, page, 'images', views, listed.length);
      },
    }),
    operation({
      id: 'images_get',
      method: 'GET',
      path: '/v2/images/{image_id}',
      summary: 'Get an image by its id or slug',
      scopes: ['image:read'],
      params: Type.Object({ image_id: Type.String() }),
      status: 200,
      response: Type.Object({ image: ImageSchema }),
      async handler(request) {
        const image = resolveImage(request.params.image_id);
        if (!image) throw notFound();
        const view = imageView(image.id);
        return { image: orderable(image) ? view : { ...view, status: 'retired' } };
      },
    }),
  ];
}
