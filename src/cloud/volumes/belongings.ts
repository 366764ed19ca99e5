import { sql } from 'kysely';
import type { Belonging, Belongings } from '../product.ts';
import { deleteVolume } from './delete.ts';
import { deleteVolumeSnapshot } from './snapshots.ts';

/** The volumes that are attached to a droplet, and their snapshots. */
export const volumeBelongings: Belongings = {
  kinds: ['volumes', 'volume_snapshots'],
  async of(db, dropletId) {
    const { rows } = await sql<Belonging>`
      select 'volumes' as kind, id::text, name from volumes where droplet_id = ${dropletId} and deleted_at is null
      union all
      select 'volume_snapshots', s.id::text, s.name from volume_snapshots s join volumes v on v.id = s.volume_id
        where v.droplet_id = ${dropletId} and v.deleted_at is null and s.deleted_at is null
      order by 1, 2`.execute(db);
    return rows;
  },
  destroy: (deps, request, { kind, id }) =>
    kind === 'volumes' ? deleteVolume(deps, request, { id }) : deleteVolumeSnapshot(deps, request, id),
};
