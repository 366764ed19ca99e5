import { snapshotsOf } from '../images/index.ts';
import type { Belongings } from '../product.ts';
import { deleteSnapshot } from './delete.ts';

/** The snapshots of a droplet. */
export const snapshotBelongings: Belongings = {
  kinds: ['snapshots'],
  of: async (db, dropletId) =>
    (await snapshotsOf(db, dropletId)).map(({ id, name }) => ({ kind: 'snapshots', id: String(id), name })),
  destroy: (deps, request, { id }) => deleteSnapshot(deps, request, id),
};
