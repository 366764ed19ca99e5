/** Beginning a backup: the image that is to be kept, and the action that the droplet's own reconciler carries out. */
import { type Selectable, sql } from 'kysely';
import { insertEvents } from '../../store/events.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { distributionSql } from '../images/index.ts';
import { dropletKind, dropletUrn } from '../pending/index.ts';
import { findSize } from '../sizes/index.ts';

export type BackedUp = Pick<
  Selectable<Droplets>,
  'id' | 'team_id' | 'region' | 'size' | 'disk_gib' | 'image_id'
>;

/**
 * Begins the backup of the window that opened at `due`; `next` is the window after it. False where the droplet is
 * busy, not made yet, no longer what it was when it was read, or no longer wants this backup.
 *
 * One statement, unlike actions that somebody asks for: the backups of a whole cloud fall due in the same hours.
 */
export async function beginBackup(
  db: Queryable,
  droplet: BackedUp,
  { due, next, at }: { due: Date; next: Date; at: Date },
): Promise<boolean> {
  const { id, team_id: teamId, region, size, disk_gib: diskGib, image_id: imageId } = droplet;
  const { rows } = await sql`
    with changed as (
      update droplets
      set backup_due = ${next}, pending_action_id = nextval('actions_id_seq')
      where id = ${id} and backup_due = ${due} and deleted_at is null and pending_action_id is null and root_done > 0
        and (size, disk_gib, image_id) is not distinct from (${size}, ${diskGib}::int, ${imageId}::bigint)
      returning pending_action_id, name
    ), saved as (
      insert into images (team_id, droplet_id, name, type, status, distribution, regions, min_disk_gib, created_at)
      select ${teamId}, ${id}, concat(name, ' ', ${at.toISOString().slice(0, 10)}::text), 'backup', 'pending',
        ${distributionSql(imageId)}, array[${region}], ${diskGib ?? findSize(size)?.disk ?? 0}::int, ${at}
      from changed
    ), begun as (
      insert into actions (id, team_id, type, resource_type, resource_id, region, started_at)
      overriding system value
      select pending_action_id, ${teamId}, 'backup', 'droplet', ${String(id)}, ${region}, ${at} from changed
    ), told as (${insertEvents(sql`
      select ${at}::timestamptz, ${teamId}::uuid, ${dropletUrn(id)}, 'changed', pending_action_id
      from changed`)})
    select wake(${dropletKind}, ${String(id)}, ${at}) from changed`.execute(db);
  return rows.length > 0;
}
