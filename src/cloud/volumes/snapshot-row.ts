/** Snapshots of volumes as the database has them. */
import { type Selectable, sql } from 'kysely';
import type { Static } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import { isUuid } from '../../http/formats.ts';
import type { VolumeSnapshots } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { gigabytes } from '../gigabytes.ts';
import { tagsOf } from '../tags/index.ts';
import { wireTime } from '../wire-time.ts';
import { volumeSnapshotKind } from './kinds.ts';
import type { SnapshotSchema } from './schema.ts';

export type SnapshotRow = Selectable<VolumeSnapshots> & { tags: string[] };
export type SnapshotView = Static<typeof SnapshotSchema>;

export const volumeSnapshotUrn = (id: string): string => `do:volumesnapshot:${id}`;

/** Volume snapshots of all teams, whatever their state, to be narrowed down. */
export const selectSnapshots = (db: Queryable) =>
  db
    .selectFrom('volume_snapshots')
    .selectAll('volume_snapshots')
    .select(tagsOf('volume_snapshot', 'volume_snapshots.id').as('tags'));

/** The caller's snapshot of this id, or undefined; with `lock`, it stays as it is until the transaction ends. */
export async function findSnapshot(
  db: Queryable,
  caller: Pick<Caller, 'teamId'>,
  id: string,
  lock?: 'lock',
): Promise<SnapshotRow | undefined> {
  if (!isUuid(id)) return undefined;
  const own = selectSnapshots(db)
    .where('id', '=', id)
    .where('team_id', '=', caller.teamId)
    .where('deleted_at', 'is', null);
  return (lock ? own.forUpdate('volume_snapshots') : own).executeTakeFirst();
}

const MIB = 1024 ** 2;

/**
 * What mkfs writes on a volume, in bytes, at most: its snapshot counts as empty, as on DigitalOcean. Of ext4 that grows
 * with the group descriptors; of XFS it is the log, which mkfs.xfs makes a 2048th of the disk, 64 MiB to 2 GiB.
 */
export function emptyBytes({
  filesystem_type: type,
  size_gib,
}: Pick<SnapshotRow, 'filesystem_type' | 'size_gib'>): number {
  if (type === 'ext4') return (6 + size_gib / 64) * MIB;
  if (type === 'xfs') return (2 + Math.min(Math.max(size_gib / 2, 64), 2048)) * MIB;
  return 0;
}

/** A volume's snapshot as the API shows it; its size is 0 until it is taken, and where it is empty. */
export function snapshotView(row: SnapshotRow): SnapshotView {
  return {
    id: row.id,
    name: row.name,
    created_at: wireTime(row.created_at),
    regions: [row.region],
    resource_id: row.volume_id,
    resource_type: 'volume',
    min_disk_size: row.size_gib,
    size_gigabytes: row.bytes ? gigabytes(row.bytes) : 0,
    tags: row.tags,
  };
}

/** Wakes a deleted snapshot whose bytes were kept for a volume to be made from: that volume is there now, or gone. */
export async function wakeDeletedSnapshot(db: Queryable, id: string, at: Date): Promise<void> {
  await sql`select wake(${volumeSnapshotKind}, id::text, ${at}) from volume_snapshots
    where id = ${id} and deleted_at is not null and gone_at is null`.execute(db);
}
