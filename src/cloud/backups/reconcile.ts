/** Takes a droplet's backups when their windows open, and lets them go when their time is over. */
import type { Selectable } from 'kysely';
import { beginAction } from '../../control/actions.ts';
import type { Clock } from '../../control/clock.ts';
import type { Outcome, Reconciler } from '../../control/loop.ts';
import type { Log } from '../../log.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Store } from '../../store/store.ts';
import { deleteImages, newSavedImage } from '../images/index.ts';
import { beginOnDroplet } from '../pending/index.ts';
import { findSize } from '../sizes/index.ts';
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
  'name',
  'region',
  'size',
  'disk_gib',
  'image_id',
  'root_done',
  'pending_action_id',
  'deleted_at',
  'backup_plan',
  'backup_weekday',
  'backup_hour',
  'backup_due',
] as const;

type Row = Pick<Selectable<Droplets>, (typeof columns)[number]>;

/** The reconciler of kind `backup`; the id is the droplet's. The droplet's own reconciler saves the bytes. */
export function backupReconciler({ store, clock, log }: BackupReconcilerOptions): Reconciler {
  async function reconcile(id: string): Promise<Outcome> {
    const now = clock.now();
    const droplet = await store.db
      .selectFrom('droplets')
      .select(columns)
      .where('id', '=', Number(id))
      .executeTakeFirst();
    if (!droplet) return { forget: true };
    if (droplet.deleted_at) {
      await expire(droplet.id, now, 0);
      return { forget: true };
    }
    const policy = policyOf(droplet);
    const expires = await expire(droplet.id, now, policy ? retentionMs(policy) : longestRetentionMs);
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
    return (await begin(droplet.id, due, next, now))
      ? beginsAt(next, droplet.id)
      : new Date(now.getTime() + busyMs);
  }

  /** Begins the action, unless the droplet is busy, not made yet, or no longer wants this backup. */
  function begin(id: number, due: Date, next: Date, at: Date): Promise<boolean> {
    return store.transaction(async (tx) => {
      const droplet = await tx
        .updateTable('droplets')
        .set({ backup_due: next })
        .where('id', '=', id)
        .where('deleted_at', 'is', null)
        .where('pending_action_id', 'is', null)
        .where('root_done', '>', 0)
        .where('backup_due', '=', due)
        .returning(columns)
        .executeTakeFirst();
      if (!droplet) return false;
      await newSavedImage(tx, {
        teamId: droplet.team_id,
        dropletId: droplet.id,
        name: `${droplet.name} ${at.toISOString().slice(0, 10)}`,
        type: 'backup',
        region: droplet.region,
        minDiskGib: droplet.disk_gib ?? findSize(droplet.size)?.disk ?? 0,
        imageId: droplet.image_id,
        at,
      });
      const action = await beginAction(tx, {
        caller: { teamId: droplet.team_id, userId: null, tokenId: null },
        type: 'backup',
        resourceType: 'droplet',
        resourceId: String(droplet.id),
        region: droplet.region,
        at,
      });
      await beginOnDroplet(tx, droplet, action.id, at);
      return true;
    });
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
  async function expire(dropletId: number, now: Date, keptMs: number): Promise<Date | undefined> {
    const backups = await store.db
      .selectFrom('images')
      .select(['id', 'created_at'])
      .where('droplet_id', '=', dropletId)
      .where('type', '=', 'backup')
      .where('deleted_at', 'is', null)
      // One that is being taken belongs to its action.
      .where('status', '=', 'available')
      .orderBy('created_at')
      .execute();
    const over = backups.filter(({ created_at }) => created_at.getTime() + keptMs <= now.getTime());
    const left = backups[over.length];
    if (over.length > 0) {
      const ids = over.map(({ id }) => id);
      await store.transaction((tx) => deleteImages(tx, ids, now));
    }
    return left && new Date(left.created_at.getTime() + keptMs);
  }

  return { kind: backupKind, reconcile };
}
