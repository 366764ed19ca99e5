/** What belongs to a droplet and can be destroyed together with it: each product says it of its own. */
import type { Queryable } from '../../store/store.ts';
import type { Belonging, Belongings } from '../product.ts';

/** All that belongs to a droplet, by kind. */
export async function belongingsOf(
  parts: readonly Belongings[],
  db: Queryable,
  dropletId: number,
): Promise<Belonging[]> {
  const all: Belonging[] = [];
  for (const part of parts) all.push(...(await part.of(db, dropletId)));
  return all.sort((a, b) => (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0));
}
