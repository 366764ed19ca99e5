import { sql } from 'kysely';
import type { HoldResources } from '../tags/index.ts';

/** The team's volumes, or snapshots of volumes, among these ids, for tagging them. */
const held =
  (table: 'volumes' | 'volume_snapshots'): HoldResources =>
  async (tx, teamId, ids) => {
    const uuids = ids.filter((id) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id));
    if (uuids.length === 0) return new Map();
    const rows = await tx
      .selectFrom(table)
      .select('id')
      .where(sql<boolean>`id = any(${uuids}::uuid[])`)
      .where('team_id', '=', teamId)
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .forNoKeyUpdate()
      .execute();
    const found = new Set(rows.map(({ id }) => id));
    return new Map(uuids.filter((id) => found.has(id.toLowerCase())).map((id) => [id, id.toLowerCase()]));
  };

export const volumeTaggable = held('volumes');
export const volumeSnapshotTaggable = held('volume_snapshots');
