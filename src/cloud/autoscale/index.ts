export type { AutoscaleDeps } from './commands.ts';
export { autoscaleKind } from './pool.ts';
export { type AutoscaleReconcilerOptions, autoscaleReconciler } from './reconcile.ts';
export { autoscaleOperations } from './routes.ts';
