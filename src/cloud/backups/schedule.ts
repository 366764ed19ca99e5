/** Turning a droplet's backups on and off, and what its view shows of them. */
import { wake } from '../../control/reconcile.ts';
import type { Tx } from '../../store/store.ts';
import { setBackups } from '../droplet-state/index.ts';
import { wireTime } from '../wire-time.ts';
import { type BackupPolicy, nextWindow, windowMs } from './policy.ts';

export const backupKind = 'backup';

/**
 * Turns a droplet's backups on, or changes when they are taken, in the caller's transaction. The row must be the
 * caller's to change.
 */
export async function enableBackups(
  tx: Tx,
  droplet: { id: number },
  policy: BackupPolicy,
  at: Date,
): Promise<void> {
  await setBackups(tx, droplet.id, { ...policy, due: nextWindow(policy, at) });
  await wakeBackups(tx, droplet.id, at);
}

/** Turns a droplet's backups off in the caller's transaction. Those it has stay until their time is over. */
export async function disableBackups(tx: Tx, droplet: { id: number }, at: Date): Promise<void> {
  await setBackups(tx, droplet.id, null);
  await wakeBackups(tx, droplet.id, at);
}

/** To be called when a droplet is destroyed: its backups go with it, as on DigitalOcean. */
export const wakeBackups = (tx: Tx, dropletId: number, at: Date): Promise<void> =>
  wake(tx, backupKind, String(dropletId), at);

/** The window in which the next backup is taken, for the droplet's view; null where backups are off. */
export function nextBackupWindow({ backup_due: due }: { backup_due: Date | null }) {
  if (due === null) return null;
  return { start: wireTime(due), end: wireTime(new Date(due.getTime() + windowMs)) };
}
