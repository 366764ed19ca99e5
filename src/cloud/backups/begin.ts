/** Beginning a backup: the image that is to be taken, and the action that the droplet's own reconciler carries out. */
import { type Selectable, sql } from 'kysely';
import { beginningAction } from '../../control/actions.ts';
import { insertEvents } from '../../store/events.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { beginningBackup, dropletKind, dropletUrn } from '../droplet-state/index.ts';
import { insertSnapshot } from '../images/index.ts';
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
  const changed = sql`changed`;
  const image = {
    teamId,
    dropletId: id,
    name: sql<string>`concat(name, ' ', ${at.toISOString().slice(0, 10)}::text)`,
    minDiskGib: diskGib ?? findSize(size)?.disk ?? 0,
    imageId,
  };
  const action = {
    id: sql<number>`pending_action_id`,
    caller: { teamId, userId: null, tokenId: null },
    resourceType: 'droplet',
    resourceId: String(id),
  };
  const { rows } = await sql`
    with changed as (${beginningBackup(droplet, { due, next })}),
      image as (${insertSnapshot({ ...image, type: 'backup', region, at }, changed)}),
      begun as (${beginningAction({ ...action, type: 'backup', region, at }, changed)}),
      recorded as (${insertEvents(sql`
        select ${at}::timestamptz, ${teamId}::uuid, ${dropletUrn(id)}, 'changed', pending_action_id
        from changed`)})
    select wake(${dropletKind}, ${String(id)}, ${at}) from changed`.execute(db);
  return rows.length > 0;
}
