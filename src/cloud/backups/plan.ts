/** What to do next about the backups of a droplet: pure. */
import type { Selectable } from 'kysely';
import type { Plan } from '../../control/converge.ts';
import type { Droplets } from '../../store/schema.ts';
import { longestRetentionMs, nextWindow, policyOf, retentionMs, windowMs } from './policy.ts';

/** Of a droplet's row, what its backups need. */
export const backupColumns = [
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

export interface BackupRow extends Pick<Selectable<Droplets>, (typeof backupColumns)[number]> {
  /** Those it has, oldest first. One that is being taken belongs to its action. */
  backups: { id: number; at: string }[];
}

export interface ObservedBackups {
  /** The droplet was busy with something else when its backup was to begin in this run. */
  busy?: boolean;
}

export type BackupStep =
  /** Their time is over. */
  | { do: 'delete'; images: number[] }
  /** The window that opened at `due` has passed without a backup. */
  | { do: 'skip'; due: Date; next: Date }
  | { do: 'begin'; due: Date; next: Date };

/** When to look again; `never`: until the policy changes. */
export type BackupEnd = { at: Date } | 'never';

/** How long to wait for a droplet that is busy with something else, ms. */
const busyMs = 60_000;
/** Backups begin spread over this much of their window, so that a host does not copy the disks of all its droplets at once. */
const spreadMinutes = 120;

/** When in a window that opens at `due` the backup of this droplet begins. */
export const beginsAt = (due: Date, dropletId: number): Date =>
  new Date(due.getTime() + (dropletId % spreadMinutes) * 60_000);

export function planBackups(
  row: BackupRow,
  { busy }: ObservedBackups,
  now: Date,
): Plan<BackupStep, BackupEnd> {
  const policy = policyOf(row);
  const keptMs = row.deleted_at ? 0 : policy ? retentionMs(policy) : longestRetentionMs;
  const endOf = ({ at }: { at: string }) => new Date(Date.parse(at) + keptMs);
  const over = row.backups.filter((backup) => endOf(backup) <= now);
  if (over.length > 0) return { steps: [{ do: 'delete', images: over.map(({ id }) => id) }] };
  if (row.deleted_at) return { settled: 'never' };
  const [oldest] = row.backups;
  const expires = oldest && endOf(oldest);
  const due = row.backup_due;
  if (!policy || !due) return { settled: expires ? { at: expires } : 'never' };
  const at = (time: Date) => ({ settled: { at: expires && expires < time ? expires : time } });
  const begins = beginsAt(due, row.id);
  if (now < begins) return at(begins);
  const next = nextWindow(policy, now);
  if (now.getTime() >= due.getTime() + windowMs) return { steps: [{ do: 'skip', due, next }] };
  if (busy) return at(new Date(now.getTime() + busyMs));
  return { steps: [{ do: 'begin', due, next }] };
}
