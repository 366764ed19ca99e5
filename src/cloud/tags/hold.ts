import { isUuid } from '../../http/formats.ts';
import { anyOf } from '../../store/any-of.ts';
import type { HoldResources } from '../product.ts';

/** `HoldResources` of products whose rows have numbers. Ids may have leading zeros. */
export const holdNumbered = (table: 'droplets' | 'images'): HoldResources =>
  hold(
    table,
    (id) => /^\d{1,15}$/.test(id),
    (id) => String(Number(id)),
  );

/** The same of products whose rows have uuids. */
export const holdUuids = (table: 'volumes' | 'volume_snapshots'): HoldResources =>
  hold(table, isUuid, (id) => id.toLowerCase());

/** `fits`: whether a text can be an id of the table; `stored`: one that can, as the table has it. */
function hold(
  table: Parameters<typeof holdNumbered>[0] | Parameters<typeof holdUuids>[0],
  fits: (id: string) => boolean,
  stored: (id: string) => string,
): HoldResources {
  return async (tx, teamId, ids) => {
    const wanted = ids.filter(fits).map((id) => [id, stored(id)] as const);
    if (wanted.length === 0) return new Map();
    const rows = await tx
      .selectFrom(table)
      .select('id')
      .where(
        anyOf(
          'id',
          wanted.map(([, id]) => id),
        ),
      )
      .where('team_id', '=', teamId)
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .forNoKeyUpdate()
      .execute();
    const held = new Set(rows.map(({ id }) => String(id)));
    return new Map(wanted.filter(([, id]) => held.has(id)));
  };
}
