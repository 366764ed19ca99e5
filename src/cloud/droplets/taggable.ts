import { sql } from 'kysely';
import type { HoldResources } from '../tags/index.ts';

/** The team's droplets among these ids, for tagging them. */
export const dropletTaggable: HoldResources = async (tx, teamId, ids) => {
  const numbers = ids.filter((id) => /^\d{1,15}$/.test(id));
  if (numbers.length === 0) return new Map();
  const rows = await tx
    .selectFrom('droplets')
    .select('id')
    .where(sql<boolean>`id = any(${numbers.map(Number)}::bigint[])`)
    .where('team_id', '=', teamId)
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
  const held = new Set(rows.map(({ id }) => id));
  return new Map(numbers.filter((id) => held.has(Number(id))).map((id) => [id, String(Number(id))]));
};
