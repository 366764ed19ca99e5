/** What hosts have, as their engines say: written down before the first request, and with each sweep. */

import type { CloudContext, HostRule } from '../context.ts';
import type { EngineDeps } from '../product.ts';

/** There is one host, as yet: its row is there from the beginning, and is known by this. */
export const theHost = 1;

/** The rule where the operator has set none. ARCHITECTURE.md, "Placement", says why. */
export const defaultRule = { memoryRatio: 4, diskRatio: 10 } as const;

/** What of a machine's memory is kept for itself and Atoll where the operator has not said how much. MiB. */
export const keptMemory = (memoryMib: number): number =>
  Math.round(Math.min(memoryMib / 2, Math.max(1024, memoryMib / 16)));

/**
 * Writes down what the host has and the rule of the configuration. The disk of the volumes may be away: then what is
 * known of it stays.
 * @throws EngineError where an engine does not answer
 */
export async function observeHosts({
  store,
  compute,
  host,
  clock,
  context,
}: EngineDeps & { context: CloudContext }): Promise<void> {
  const [has, disks] = await Promise.all([compute.capacity(), host.capacity()]);
  const rule: HostRule = { ...defaultRule, ...context.hostRule };
  const { volumes, home } = disks;
  await store.db
    .updateTable('hosts')
    .set({
      name: has.name,
      cpus: has.cpus,
      memory_mib: has.memoryMib ?? null,
      kept_memory_mib: rule.keptMemoryMib ?? keptMemory(has.memoryMib ?? 0),
      memory_ratio: rule.memoryRatio,
      disk_ratio: rule.diskRatio,
      pool_bytes: has.pool?.bytes ?? null,
      // The pool is a sparse file of the home's disk: it cannot take more than is free there.
      pool_free_bytes: has.pool ? Math.min(has.pool.freeBytes, home?.freeBytes ?? Infinity) : null,
      ...(volumes !== 'away' && {
        volumes_bytes: volumes?.bytes ?? null,
        volumes_free_bytes: volumes?.freeBytes ?? null,
      }),
      seen_at: clock.now(),
    })
    .where('id', '=', theHost)
    .execute();
}
