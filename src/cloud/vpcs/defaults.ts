import type { Clock } from '../../base/clock.ts';
import type { Tx } from '../../store/store.ts';
import { regions } from '../regions/index.ts';
import type { Vpc } from './queries.ts';

/** A /20 for each region out of 10.128.0.0/14: apart from each other, so that VPCs can be peered one day, and from the
 * public networks (10.64.0.0/10), since a droplet is in both. */
export function defaultRange(region: string): string {
  const index = regions.findIndex(({ slug }) => slug === region);
  if (index < 0) throw new Error(`There is no region ${region}.`);
  return `10.${128 + Math.floor(index / 16)}.${(index % 16) * 16}.0/20`;
}

/**
 * The team's default VPC of a region, `default-<region>`, made now if there is none; where the team has given that name
 * to a VPC of its own, `default-<region>-2` and so on. Concurrent callers get the same one. The region must exist.
 */
export async function defaultVpc(tx: Tx, teamId: string, region: string, clock: Clock): Promise<Vpc> {
  const existing = tx
    .selectFrom('vpcs')
    .selectAll()
    .where('team_id', '=', teamId)
    .where('region', '=', region)
    .where('is_default', '=', true);
  for (let number = 1; ; number++) {
    const found = await existing.executeTakeFirst();
    if (found) return found;
    // A concurrent insert is waited for and then found: each statement sees what was committed before it began.
    await tx
      .insertInto('vpcs')
      .values({
        team_id: teamId,
        region,
        name: number === 1 ? `default-${region}` : `default-${region}-${number}`,
        ip_range: defaultRange(region),
        is_default: true,
        created_at: clock.now(),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}
