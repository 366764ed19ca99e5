export type { AssociatedDeps } from './commands.ts';
export { associatedReconciler } from './reconcile.ts';
export { associatedOperations } from './routes.ts';
