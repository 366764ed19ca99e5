/** Machines of before that may make subvolumes, for which no limit of a disk holds. */
import type { IncusClient } from '../engine/compute/incus/client.ts';
import { type IncusInstance, instancePath, isUnborn, update } from '../engine/compute/incus/instances.ts';
import { deniedKey, noSubvolumes, urnKey } from '../engine/compute/incus/spec.ts';

/**
 * Forbids all machines of ours to make subvolumes, from their next start on; no machine is disturbed. One that cannot be
 * changed now is told to `log`, and is by the next `up`. Answers how many were changed.
 */
export async function forbidSubvolumes(incus: IncusClient, log: (line: string) => void): Promise<number> {
  let changed = 0;
  for (const instance of await incus.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1')) {
    const { name, config } = instance;
    // A change of one that is being made would spoil it.
    if (!config[urnKey] || config[deniedKey] === noSubvolumes || isUnborn(instance)) continue;
    try {
      await update(incus, 'PATCH', instancePath(name), { config: { [deniedKey]: noSubvolumes } });
      changed++;
    } catch (error) {
      log(`${name} may still make subvolumes without a limit: ${(error as Error).message}`);
    }
  }
  if (changed > 0) log(`${changed} machines make no subvolumes of their own from their next start on`);
  return changed;
}
