import type { IncusClient } from '../engine/compute/incus/client.ts';
import { type IncusInstance, instancePath, isUnborn, update } from '../engine/compute/incus/instances.ts';
import { urnKey } from '../engine/compute/incus/spec.ts';

/**
 * Writes a key in the config of all machines of ours, running or not, where it is not as `valueOf` says; undefined
 * leaves a machine as it is. One that cannot be changed now is told to `failed`. Answers how many were changed.
 */
export async function writeConfig(
  incus: IncusClient,
  key: string,
  valueOf: (machine: IncusInstance) => string | undefined,
  failed: (name: string, error: unknown) => void,
): Promise<number> {
  let changed = 0;
  for (const machine of await incus.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1')) {
    const { name, config } = machine;
    const value = valueOf(machine);
    // A change of one that is being made would spoil it.
    if (!config[urnKey] || value === undefined || config[key] === value || isUnborn(machine)) continue;
    try {
      await update(incus, 'PATCH', instancePath(name), { config: { [key]: value } });
      changed++;
    } catch (error) {
      failed(name, error);
    }
  }
  return changed;
}
