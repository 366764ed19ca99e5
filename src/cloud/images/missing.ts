/** Images that were taken or imported and whose bytes the engine does not have any more. */

import type { Compute } from '../../engine/compute/port.ts';
import type { Queryable } from '../../store/store.ts';
import type { MissingBytes } from '../product.ts';
import { customName, snapshotName } from './row.ts';

interface Available {
  id: number;
  nonce: string;
  type: string;
}

/** What the compute engine calls an image. */
export const engineNameOf = (row: Available): string =>
  row.type === 'custom' ? customName(row) : snapshotName(row);

/** Whether the engine has an image: none that was available is ever taken or imported again. */
export async function isHeld(
  compute: Pick<Compute, 'listSnapshots' | 'images'>,
  row: Available,
): Promise<boolean> {
  if (row.type === 'custom') return (await compute.images()).includes(customName(row));
  return (await compute.listSnapshots()).some(({ name }) => name === snapshotName(row));
}

/** What a client is told of an image whose bytes are missing. */
export const missingImageText = (id: number, since: Date): string =>
  `${id} has been missing on its host since ${since.toISOString()}. It cannot be used until the operator has brought ` +
  'it back, which ./atoll doctor tells of.';

/** All images whose bytes are missing, of all teams, the longest missing first; at most `most`. */
export async function missingImages(db: Queryable, most: number): Promise<MissingBytes[]> {
  const rows = await db
    .selectFrom('images')
    .select(['id', 'nonce', 'type', 'name', 'missing_at'])
    .where('missing_at', 'is not', null)
    .where('deleted_at', 'is', null)
    .orderBy('missing_at')
    .orderBy('id')
    .limit(most)
    .execute();
  return rows.flatMap((row) =>
    row.missing_at === null
      ? []
      : [
          {
            kind: 'image',
            id: String(row.id),
            name: row.name,
            since: row.missing_at,
            engineName: engineNameOf(row),
          },
        ],
  );
}
