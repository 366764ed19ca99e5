/** Schemas of the requests and answers about volumes. Requests may differ from client to client; answers are exact. */
import { Type } from 'typebox';
import { RegionSchema } from '../regions/index.ts';

/** GiB: 16 TiB, as on DigitalOcean. */
export const maxVolumeGib = 16_384;
/** How many volumes one droplet may have attached, as on DigitalOcean. */
export const maxVolumesPerDroplet = 15;
/** How many snapshots of one volume may be kept, as on DigitalOcean. */
export const maxSnapshotsPerVolume = 25;

export const VolumeSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  region: RegionSchema,
  droplet_ids: Type.Array(Type.Integer(), { maxItems: 1 }),
  name: Type.String(),
  description: Type.String(),
  size_gigabytes: Type.Integer(),
  created_at: Type.String({ format: 'date-time' }),
  filesystem_type: Type.Enum(['', 'ext4', 'xfs']),
  filesystem_label: Type.String(),
  tags: Type.Array(Type.String()),
});

/** A snapshot of a droplet or of a volume. Both ids are text, whatever they look like. */
export const SnapshotSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  created_at: Type.String({ format: 'date-time' }),
  regions: Type.Array(Type.String()),
  resource_id: Type.String(),
  resource_type: Type.Enum(['droplet', 'volume']),
  min_disk_size: Type.Integer(),
  size_gigabytes: Type.Number(),
  tags: Type.Array(Type.String()),
});

const uuid = { format: 'uuid' };
export const VolumeId = Type.Object({ volume_id: Type.String(uuid) });
export const SnapshotId = Type.Object({ snapshot_id: Type.String(uuid) });

export const VolumeFilters = {
  name: Type.Optional(Type.String()),
  region: Type.Optional(Type.String()),
};

export const VolumeNameQuery = Type.Object(VolumeFilters);

const Tags = Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()]));
const Gib = Type.Optional(Type.Integer({ minimum: 1, maximum: maxVolumeGib }));

/** Size and region come from the snapshot where there is one; the command says when they are missing. */
export const VolumeCreate = Type.Object({
  name: Type.String(),
  size_gigabytes: Gib,
  region: Type.Optional(Type.String()),
  description: Type.Optional(Type.String({ maxLength: 255 })),
  snapshot_id: Type.Optional(Type.String()),
  filesystem_type: Type.Optional(Type.Enum(['ext4', 'xfs'])),
  filesystem_label: Type.Optional(Type.String()),
  tags: Tags,
});

export const VolumeActionRequest = Type.Object({
  type: Type.Enum(['attach', 'detach', 'resize']),
  droplet_id: Type.Optional(Type.Integer()),
  size_gigabytes: Gib,
  region: Type.Optional(Type.String()),
  tags: Tags,
});

export const NamedVolumeActionRequest = Type.Object({
  type: Type.Enum(['attach', 'detach', 'resize']),
  volume_name: Type.String({ minLength: 1 }),
  droplet_id: Type.Optional(Type.Integer()),
  size_gigabytes: Gib,
  region: Type.Optional(Type.String()),
  tags: Tags,
});

export const SnapshotCreate = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  tags: Tags,
});
