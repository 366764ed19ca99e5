import type { Static } from 'typebox';
import { regionView } from '../regions/index.ts';
import { wireTime } from '../wire-time.ts';
import type { VolumeRow } from './row.ts';
import type { VolumeSchema } from './schema.ts';

export type VolumeView = Static<typeof VolumeSchema>;

const filesystem = (type: string): VolumeView['filesystem_type'] =>
  type === 'ext4' || type === 'xfs' ? type : '';

/** A volume as the API shows it. */
export function volumeView(row: VolumeRow): VolumeView {
  return {
    id: row.id,
    region: regionView(row.region),
    droplet_ids: row.attached && row.droplet_id !== null ? [row.droplet_id] : [],
    name: row.name,
    description: row.description,
    size_gigabytes: row.size_gib,
    created_at: wireTime(row.created_at),
    filesystem_type: filesystem(row.filesystem_type),
    filesystem_label: row.filesystem_label,
    tags: row.tags,
  };
}
