/** The floor of droplets that other products stand on: locking them, their pending action, and the columns of their backups. */
export { type BackupSchedule, beginningBackup, postponeBackup, setBackups } from './backups.ts';
export {
  beginOnDroplet,
  checkNothingPending,
  dropletChanged,
  dropletKind,
  dropletUrn,
  holdDroplets,
  imagesOfDropletChanged,
  type LockedDroplet,
  lockable,
  lockDroplet,
  wakeDroplet,
} from './lock.ts';
