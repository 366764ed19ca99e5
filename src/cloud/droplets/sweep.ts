/** Finds what has no owner: machines and host entries of droplets that are gone, and wakes what is out of step. */

import type { Clock } from '../../control/clock.ts';
import { wake } from '../../control/reconcile.ts';
import type { Log } from '../../log.ts';
import type { Store } from '../../store/store.ts';
import { dropletKind } from '../pending/index.ts';
import { dropletUrn } from './row.ts';
import type { DropletEngines } from './steps.ts';

export interface SweepDeps extends Pick<DropletEngines, 'compute' | 'host'> {
  store: Store;
  clock: Clock;
  log: Log;
}

/** What a sweep did: how many droplets it woke and how many orphans it removed. */
export interface Swept {
  woken: number;
  orphans: number;
}

/**
 * Compares all engines with the database once. A machine whose droplet is gone (or never was) is deleted; a
 * droplet whose machine is not in the state that was last seen is woken, for the loop to look at.
 * The engines are asked first: what is made meanwhile has its row already and cannot look like an orphan.
 */
export async function sweepDroplets({ compute, host, store, clock, log }: SweepDeps): Promise<Swept> {
  const [instances, entries] = await Promise.all([compute.list(), host.list()]);
  const rows = await store.db
    .selectFrom('droplets')
    .select(['id', 'status', 'root_done', 'deleted_at'])
    .where('gone_at', 'is', null)
    .execute();
  const alive = new Map(rows.map((row) => [dropletUrn(row.id), row]));
  const swept: Swept = { woken: 0, orphans: 0 };
  /** One that cannot be removed now must not keep the others: the next sweep tries again. */
  const remove = async (removal: () => Promise<void>) => {
    try {
      await removal();
      swept.orphans++;
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'it cannot be removed now');
    }
  };
  for (const instance of instances) {
    if (alive.has(instance.urn)) continue;
    log.warn({ urn: instance.urn, instance: instance.name }, 'a machine without a droplet is deleted');
    await remove(() => compute.delete(instance.name));
  }
  for (const id of entries) {
    if (alive.has(dropletUrn(id))) continue;
    log.warn({ droplet: id }, 'a host entry without a droplet is withdrawn');
    await remove(() => host.withdraw(id, Number.MAX_SAFE_INTEGER));
  }
  const states = new Map(instances.map((instance) => [instance.urn, instance.state]));
  const seen = new Set(entries);
  for (const row of rows) {
    const state = states.get(dropletUrn(row.id));
    const expected = row.status === 'active' ? state === 'running' : state !== 'running';
    if (expected && (seen.has(row.id) || row.root_done === 0) && !row.deleted_at) continue;
    await wake(store.db, dropletKind, String(row.id), clock.now());
    swept.woken++;
  }
  return swept;
}
