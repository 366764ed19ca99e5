import { type Static, Type } from 'typebox';
import { anyOf } from '../../store/any-of.ts';
import type { Queryable } from '../../store/store.ts';
import { gigabytes } from '../gigabytes.ts';
import { imageRegions } from '../regions/index.ts';
import { wireTime } from '../wire-time.ts';
import { type Image, resolveImage } from './catalogue.ts';
import { catalogueAlone, publicImages } from './public-images.ts';
import { type ImageRow, selectImages } from './row.ts';

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

/** A public image as the API shows it. */
export function imageView(image: Image): ImageView {
  return {
    id: image.id,
    name: image.name,
    distribution: image.distribution,
    slug: image.slug,
    public: true,
    regions: [...imageRegions],
    created_at: image.createdAt,
    // Not `base`, as the published document has it: on the wire public images are snapshots that everybody may use,
    // and terraform configurations compare it.
    type: 'snapshot',
    min_disk_size: image.minDisk,
    size_gigabytes: (image.added ?? image.built)?.gigabytes ?? null,
    description: descriptionOf(image),
    tags: [],
    status: image.retired ? 'retired' : 'available',
    error_message: '',
  };
}

/** An application's name says what it is installed on, and AlmaLinux' which distribution it is. */
const descriptionOf = ({ name, distribution, base }: Image): string =>
  base !== undefined || distribution === 'Unknown' ? name : `${distribution} ${name}`;

/**
 * An image of a team's own as the API shows it. One that could not be imported is `deleted` with an error message:
 * the published document has no other word for it, and terraform looks for just that.
 */
export function ownImageView(row: ImageRow): ImageView {
  const failed = row.status === 'error' || row.deleted_at !== null;
  return {
    id: row.id,
    name: row.name,
    distribution: row.distribution,
    slug: null,
    public: false,
    regions: row.regions,
    created_at: wireTime(row.created_at),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table's check says so
    type: row.type as ImageView['type'],
    min_disk_size: row.min_disk_gib,
    size_gigabytes: row.bytes === null ? null : gigabytes(row.bytes),
    description: row.description,
    tags: row.tags,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table's check says so
    status: failed ? 'deleted' : (row.status as ImageView['status']),
    error_message: row.error_message,
  };
}

/** An image as a team sees it; undefined where there is none. */
export type ImageLookup = (id: number, teamId: string) => ImageView | undefined;

/** The views of these images, public ones and teams' own, deleted ones too. */
export async function imageViews(db: Queryable, ids: readonly number[]): Promise<ImageLookup> {
  const own = [...new Set(ids)].filter((id) => !resolveImage(id));
  const found = own.length === 0 ? [] : await selectImages(db).where(anyOf('images.id', own)).execute();
  const rows = new Map(found.map((row) => [row.id, row]));
  // Those that `up` builds cannot be added: what is left may have been.
  const perhapsAdded = ids.some((id) => !rows.has(id) && !resolveImage(id)?.built);
  const { resolve } = perhapsAdded ? await publicImages(db) : catalogueAlone;
  return (id, teamId) => {
    const row = rows.get(id);
    if (row) return row.team_id === teamId ? ownImageView(row) : goneImageView(row);
    const image = resolve(id);
    return image && imageView(image);
  };
}

/** What droplets still show of an image that went to another team: nothing that its new team can write. */
const goneImageView = (row: ImageRow): ImageView => ({
  ...ownImageView(row),
  name: '',
  description: '',
  distribution: 'Unknown',
  regions: [],
  tags: [],
  status: 'deleted',
});
