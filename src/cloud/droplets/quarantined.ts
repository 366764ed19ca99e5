/** What a machine in quarantine has is left to it, whatever the rows of this database say of the same thing. */

import { EngineError } from '../../base/engine-error.ts';
import { quarantinedNames, quarantinedUrns } from '../../control/quarantine.ts';
import type { Compute } from '../../engine/compute/port.ts';
import type { Queryable, Store } from '../../store/store.ts';
import { dropletUrn } from '../droplet-state/index.ts';

/** The inventory's `kind` of machines. */
export const machineKind = 'machine';

/**
 * Those of these droplets whose URN a machine in quarantine bears. The host knows droplets by their ids alone: its
 * entry of such an id is that machine's, which would lose its network with it.
 */
export async function twinsInQuarantine(db: Queryable, ids: readonly number[]): Promise<Set<number>> {
  const urns = await quarantinedUrns(db, machineKind, ids.map(dropletUrn));
  return new Set(ids.filter((id) => urns.has(dropletUrn(id))));
}

/**
 * A volume that was attached after the dump of this database was taken may be attached to a machine that is in
 * quarantine now. It must not be attached to another as well: two would write on one filesystem.
 * @throws EngineError `rejected`
 */
export async function refuseHeldVolumes(
  { store, compute }: { store: Pick<Store, 'db'>; compute: Pick<Compute, 'list'> },
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  const quarantined = await quarantinedNames(store.db, machineKind);
  if (quarantined.size === 0) return;
  for (const { name, volumes } of await compute.list()) {
    const held = quarantined.has(name) && volumes.find((id) => ids.includes(id));
    if (held)
      throw new EngineError('rejected', `volume ${held} is attached to ${name}, which is in quarantine`);
  }
}
