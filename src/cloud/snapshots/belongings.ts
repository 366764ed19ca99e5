import { sql } from 'kysely';
import type { Belonging, Belongings } from '../product.ts';
import { deleteSnapshot } from './delete.ts';

/** The snapshots of a droplet. */
export const snapshotBelongings: Belongings = {
  kinds: ['snapshots'],
  async of(db, dropletId) {
    const { rows } = await sql<Belonging>`
      select 'snapshots' as kind, id::text, name from images
      where droplet_id = ${dropletId} and type = 'snapshot' and status = 'available' and deleted_at is null
      order by id::text`.execute(db);
    return rows;
  },
  destroy: (deps, request, { id }) => deleteSnapshot(deps, request, id),
};
