export { deleteSnapshot, type SnapshotsDeps } from './delete.ts';
export { snapshotsOperations } from './routes.ts';
