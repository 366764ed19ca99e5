/** Takes a droplet's backups when their windows open, and lets them go when their time is over. */
import { type Selectable, sql } from 'kysely';
import type { Clock } from '../../control/clock.ts';
import type { Outcome, Reconciler } from '../../control/loop.ts';
import type { Log } from '../../log.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable, Store } from '../../store/store.ts';
import { deleteImages } from '../images/index.ts';
import { beginBackup } from './begin.ts';
import {
  type BackupPolicy,
  longestRetentionMs,
  nextWindow,
  policyOf,
  retentionMs,
  windowMs,
} from './policy.ts';
import { backupKind } from './schedule.ts';

export interface BackupReconcilerOptions {
  store: Store;
  clock: Clock;
  log: Log;
}

/** How long to wait for a droplet that is busy with something else, ms. */
const busyMs = 60_000;
/** Backups begin spread over this much of their window, so that a host does not save all its droplets at once. */
const spreadMinutes = 120;

/** When in a window that opens at `due` the backup of this droplet begins. */
export const beginsAt = (due: Date, dropletId: number): Date =>
  new Date(due.getTime() + (dropletId % spreadMinutes) * 60_000);

const columns = [
  'id',
  'team_id',
  'region',
  'size',
  'disk_gib',
  'image_id',
  'deleted_at',
  'backup_plan',
  'backup_weekday',
  'backup_hour',
  'backup_due',
] as const;

interface Row extends Pick<Selectable<Droplets>, (typeof columns)[number]> {
  /** Those it has, oldest first. One that is being taken belongs to its action. */
  backups: { id: number; at: string }[];
}

/** The droplet of this id, deleted or not, with its backups. */
function look(db: Queryable, id: number): Promise<Row | undefined> {
  return db
    .selectFrom('droplets')
    .select(columns)
    .select(
      sql<Row['backups']>`array(select json_build_object('id', images.id, 'at', images.created_at) from images
        where images.droplet_id = droplets.id and images.type = 'backup' and images.status = 'available'
          and images.deleted_at is null order by images.created_at)`.as('backups'),
    )
    .where('id', '=', id)
    .executeTakeFirst();
}

/** The reconciler of kind `backup`; the id is the droplet's. The droplet's own reconciler saves the bytes. */
export function backupReconciler({ store, clock, log }: BackupReconcilerOptions): Reconciler {
  async function reconcile(id: string): Promise<Outcome> {
    const now = clock.now();
    const droplet = await look(store.db, Number(id));
    if (!droplet) return { forget: true };
    if (droplet.deleted_at) {
      await expire(droplet, now, 0);
      return { forget: true };
    }
    const policy = policyOf(droplet);
    const expires = await expire(droplet, now, policy ? retentionMs(policy) : longestRetentionMs);
    if (!policy || !droplet.backup_due) return expires ? { again: expires } : { forget: true };
    const due = await attend(droplet, policy, droplet.backup_due, now);
    return { again: expires && expires < due ? expires : due };
  }

  /** Takes the backup if its time has come. Answers when to look again. */
  async function attend(droplet: Row, policy: BackupPolicy, due: Date, now: Date): Promise<Date> {
    const begins = beginsAt(due, droplet.id);
    if (now < begins) return begins;
    if (now.getTime() >= due.getTime() + windowMs) {
      log.warn({ droplet: droplet.id, window: due }, 'a backup window has passed without a backup');
      return beginsAt(await postpone(droplet.id, due, nextWindow(policy, now)), droplet.id);
    }
    const next = nextWindow(policy, now);
    return (await beginBackup(store.db, droplet, { due, next, at: now }))
      ? beginsAt(next, droplet.id)
      : new Date(now.getTime() + busyMs);
  }

  /** Moves on to the next window, unless the policy has just been changed. */
  async function postpone(id: number, due: Date, next: Date): Promise<Date> {
    await store.db
      .updateTable('droplets')
      .set({ backup_due: next })
      .where('id', '=', id)
      .where('backup_due', '=', due)
      .execute();
    return next;
  }

  /** Deletes the backups older than `keptMs`. Answers when the oldest of the others will be. */
  async function expire({ backups }: Row, now: Date, keptMs: number): Promise<Date | undefined> {
    const over = backups.filter(({ at }) => Date.parse(at) + keptMs <= now.getTime());
    const left = backups[over.length];
    const ids = over.map(({ id }) => id);
    // One may have been made a snapshot since it was read, and be another team's.
    if (ids.length > 0) await store.transaction((tx) => deleteImages(tx, ids, now, 'backup'));
    return left && new Date(Date.parse(left.at) + keptMs);
  }

  return { kind: backupKind, lane: 'quick', reconcile };
}
