import { sql } from 'kysely';
import type { Caller } from '../../base/caller.ts';
import type { Tx } from '../../store/store.ts';
import { type LockedDroplet, lockable } from '../droplet-state/index.ts';
import { idsTagged } from '../tags/index.ts';

/**
 * The team's droplets with a tag, locked: all, or at most so many whose ids come after one. In order of id, so that two such requests cannot wait for each other in a
 * circle.
 */
export function lockTagged(
  tx: Tx,
  caller: Caller,
  tag: string,
  { after = 0, most }: { after?: number; most?: number } = {},
): Promise<LockedDroplet[]> {
  return lockable(tx, caller)
    .where(
      'id',
      'in',
      sql<number>`(select resource_id::bigint from (${idsTagged('droplet', caller.teamId, tag)}) tagged)`,
    )
    .where('id', '>', after)
    .orderBy('id')
    .$if(most !== undefined, (query) => query.limit(most ?? 0))
    .execute();
}
