/** What a droplet's row says of its backups, as the product that takes them asks for it. */
import { type RawBuilder, type Selectable, sql } from 'kysely';
import { nextActionId } from '../../control/actions.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable, Tx } from '../../store/store.ts';

type Row = Selectable<Droplets>;

export interface BackupSchedule {
  plan: Row['backup_plan'];
  weekday: Row['backup_weekday'];
  hour: Row['backup_hour'];
  /** When the next window opens. */
  due: Date;
}

/** Turns the backups of a droplet that the caller may change on, or changes when they are taken; null: turns them off. */
export async function setBackups(tx: Tx, dropletId: number, schedule: BackupSchedule | null): Promise<void> {
  const without = sql<string[]>`array_remove(features, 'backups')`;
  await tx
    .updateTable('droplets')
    .set({
      backup_plan: schedule?.plan ?? null,
      backup_weekday: schedule?.weekday ?? null,
      backup_hour: schedule?.hour ?? null,
      backup_due: schedule?.due ?? null,
      features: schedule ? sql<string[]>`array_append(${without}, 'backups')` : without,
    })
    .where('id', '=', dropletId)
    .execute();
}

/** Moves on from the window that opened at `due` to the `next`, unless the schedule has just been changed. */
export async function postponeBackup(
  db: Queryable,
  dropletId: number,
  { due, next }: { due: Date; next: Date },
): Promise<void> {
  await db
    .updateTable('droplets')
    .set({ backup_due: next })
    .where('id', '=', dropletId)
    .where('backup_due', '=', due)
    .execute();
}

/**
 * SQL that makes the backup of the window that opened at `due` a droplet's pending action, for a statement that begins
 * it. Its row is the action's id, `pending_action_id`, and the droplet's `name`; none where the droplet is busy, not made
 * yet, no longer what it was when it was read, or no longer wants this backup.
 */
export const beginningBackup = (
  { id, size, disk_gib, image_id }: Pick<Row, 'id' | 'size' | 'disk_gib' | 'image_id'>,
  { due, next }: { due: Date; next: Date },
): RawBuilder<unknown> => sql`
  update droplets set backup_due = ${next}, pending_action_id = ${nextActionId}
  where id = ${id} and backup_due = ${due} and deleted_at is null and pending_action_id is null and root_done > 0
    and (size, disk_gib, image_id) is not distinct from (${size}, ${disk_gib}::int, ${image_id}::bigint)
  returning pending_action_id, name`;
