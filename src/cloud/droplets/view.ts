/** A droplet as clients see it. */
import type { Static } from 'typebox';
import type { Queryable } from '../../store/store.ts';
import { splitRange } from '../addresses/index.ts';
import { nextBackupWindow } from '../backups/index.ts';
import type { CloudContext, PublicNetwork } from '../context.ts';
import { type ImageView, imageViews } from '../images/index.ts';
import { regionView } from '../regions/index.ts';
import { sizeView } from '../sizes/index.ts';
import { wireTime } from '../wire-time.ts';
import type { DropletVersion } from './list.ts';
import { type DropletRow, dropletRows, machineSize } from './row.ts';
import type { DropletSchema } from './schema.ts';

export type DropletView = Static<typeof DropletSchema>;

/** `image`: the view of the row's image. */
export function dropletView(
  row: DropletRow,
  image: ImageView,
  { network, hostMemoryMib }: CloudContext,
): DropletView {
  const size = sizeView(row.size, hostMemoryMib);
  const { diskGib } = machineSize(row);
  return {
    id: row.id,
    name: row.name,
    memory: size.memory,
    vcpus: size.vcpus,
    disk: diskGib,
    disk_info: [{ type: 'local', size: { amount: diskGib, unit: 'gib' } }],
    locked: row.pending_action_id !== null,
    status: row.status as DropletView['status'],
    kernel: null,
    created_at: wireTime(row.created_at),
    features: row.features,
    backup_ids: row.backup_ids,
    next_backup_window: nextBackupWindow(row),
    snapshot_ids: row.snapshot_ids,
    image,
    volume_ids: row.volume_ids,
    size,
    size_slug: row.size,
    networks: networksOf(row, network),
    region: regionView(row.region),
    tags: row.tags,
    vpc_uuid: row.vpc_id,
  };
}

/** The views of these rows, in their order. */
export async function dropletViewsOf(
  db: Queryable,
  rows: DropletRow[],
  context: CloudContext,
): Promise<DropletView[]> {
  const imageOf = await imageViews(
    db,
    rows.map((row) => row.image_id),
  );
  return rows.map((row) => {
    const image = imageOf(row.image_id, row.team_id);
    if (!image) throw new Error(`droplet ${row.id}: there is no image ${row.image_id}`);
    return dropletView(row, image, context);
  });
}

/** The views of these droplets, for other products that show droplets; one that is gone is left out. */
export const dropletViews =
  (context: CloudContext) =>
  async (db: Queryable, ids: number[]): Promise<DropletView[]> =>
    ids.length === 0 ? [] : dropletViewsOf(db, await dropletRows(db, ids), context);

/** Empty until the machine is up for the first time, as on DigitalOcean. */
function networksOf(row: DropletRow, network: PublicNetwork): DropletView['networks'] {
  if (row.status === 'new') return { v4: [], v6: [] };
  const outside = splitRange(network.ipv4);
  const vpc = splitRange(row.vpc_range);
  return {
    v4: [
      { ip_address: row.public_ipv4, netmask: outside.netmask, gateway: outside.gateway, type: 'public' },
      { ip_address: row.private_ipv4, netmask: vpc.netmask, gateway: vpc.gateway, type: 'private' },
    ],
    v6: row.public_ipv6 === null ? [] : [networkOf6(row.public_ipv6, network)],
  };
}

function networkOf6(address: string, network: PublicNetwork): DropletView['networks']['v6'][number] {
  const { prefix, gateway } = splitRange(network.ipv6);
  return { ip_address: address, netmask: prefix, gateway, type: 'public' };
}

/** Droplets as JSON text. */
export interface DropletTexts {
  /** The texts of these droplets at these versions or newer, in the given order; one that is gone is left out. */
  of(db: Queryable, wanted: readonly DropletVersion[]): Promise<string[]>;
}

/**
 * Keeps the last rendered text of each droplet, at most `capacity` of them: those that were shown last. Sound on any
 * number of processes: a text is only used for the version that the database has just named, and the version rises
 * with everything that a view shows.
 */
export function dropletTexts(context: CloudContext, capacity = 20_000): DropletTexts {
  // A map keeps its order: what was used last stands last, and the first is the one to forget.
  const kept = new Map<number, { version: number; text: string }>();
  return {
    async of(db, wanted) {
      // What this answer needs stands beside the cache, from which other answers push out what they do not need.
      const shown = new Map<number, { version: number; text: string }>();
      const missing: number[] = [];
      for (const { id, version } of wanted) {
        const text = kept.get(id);
        if (text?.version === version) shown.set(id, text);
        else missing.push(id);
      }
      if (missing.length > 0) {
        const rows = await dropletRows(db, missing);
        for (const [index, view] of (await dropletViewsOf(db, rows, context)).entries()) {
          shown.set(view.id, { version: rows[index]?.version ?? 0, text: JSON.stringify(view) });
        }
      }
      for (const [id, text] of shown) {
        kept.delete(id);
        kept.set(id, text);
      }
      for (const id of kept.keys()) {
        if (kept.size <= capacity) break;
        kept.delete(id);
      }
      return wanted.flatMap(({ id }) => shown.get(id)?.text ?? []);
    },
  };
}
