import type { Product } from '../product.ts';
import { backupReconciler } from './reconcile.ts';
import { backupsOperations } from './routes.ts';

export { beginsAt } from './plan.ts';
export { type BackupPolicy, BackupPolicyRequest, parsePolicy } from './policy.ts';
export { backupKind, disableBackups, enableBackups, nextBackupWindow, wakeBackups } from './schedule.ts';

export const product: Product = {
  operations: backupsOperations,
  reconcilers: (deps) => [backupReconciler(deps)],
};
