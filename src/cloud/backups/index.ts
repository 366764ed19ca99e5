export { type BackupPolicy, BackupPolicyRequest, parsePolicy } from './policy.ts';
export { backupReconciler, beginsAt } from './reconcile.ts';
export { type BackupsDeps, backupsOperations } from './routes.ts';
export { backupKind, disableBackups, enableBackups, nextBackupWindow, wakeBackups } from './schedule.ts';
