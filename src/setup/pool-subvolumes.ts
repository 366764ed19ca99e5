/** Machines of before that may make subvolumes, for which no limit of a disk holds. */
import type { IncusClient } from '../engine/compute/incus/client.ts';
import { deniedKey, noSubvolumes } from '../engine/compute/incus/spec.ts';
import { writeConfig } from './machine-config.ts';

/**
 * Forbids all machines of ours to make subvolumes, from their next start on; no machine is disturbed. One that cannot be
 * changed now is told to `log`, and is by the next `up`. Answers how many were changed.
 */
export async function forbidSubvolumes(incus: IncusClient, log: (line: string) => void): Promise<number> {
  const changed = await writeConfig(
    incus,
    deniedKey,
    () => noSubvolumes,
    (name, error) => log(`${name} may still make subvolumes without a limit: ${(error as Error).message}`),
  );
  if (changed > 0) log(`${changed} machines make no subvolumes of their own from their next start on`);
  return changed;
}
