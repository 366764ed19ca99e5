import { type Static, Type } from 'typebox';
import { imageRegions } from '../regions/index.ts';
import { resolveImage } from './catalogue.ts';

export const ImageSchema = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  distribution: Type.String(),
  slug: Type.Union([Type.String(), Type.Null()]),
  public: Type.Boolean(),
  regions: Type.Array(Type.String()),
  created_at: Type.String({ format: 'date-time' }),
  type: Type.Enum(['base', 'snapshot', 'backup', 'custom', 'admin']),
  min_disk_size: Type.Integer({ description: 'GiB' }),
  size_gigabytes: Type.Union([Type.Number(), Type.Null()]),
  description: Type.String(),
  tags: Type.Array(Type.String()),
  status: Type.Enum(['NEW', 'available', 'pending', 'deleted', 'retired']),
  error_message: Type.String(),
});

export type ImageView = Static<typeof ImageSchema>;

/** A public image as the API shows it. The id must be one of the catalogue. Throws on any other. */
export function imageView(id: number): ImageView {
  const image = resolveImage(id);
  if (!image) throw new Error(`There is no image ${id}.`);
  return {
    id: image.id,
    name: image.name,
    distribution: image.distribution,
    slug: image.slug,
    public: true,
    regions: [...imageRegions],
    created_at: image.createdAt,
    type: 'base',
    min_disk_size: image.minDisk,
    size_gigabytes: image.built?.gigabytes ?? null,
    description: image.distribution === 'Unknown' ? image.name : `${image.distribution} ${image.name}`,
    tags: [],
    status: image.retired ? 'retired' : 'available',
    error_message: '',
  };
}
