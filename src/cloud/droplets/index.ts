export type { DropletContext, PublicNetwork } from './context.ts';
export { dropletKind, dropletReconciler } from './reconcile.ts';
export { type DropletsDeps, dropletsOperations } from './routes.ts';
export { sweepDroplets } from './sweep.ts';
export { dropletTaggable } from './taggable.ts';
