/** Brings the pool of an Incus to simple quotas and writes the limits that differ from what Incus has recorded. */
import { poolName } from '../config.ts';
import type { IncusClient } from '../engine/compute/incus/client.ts';
import type { IncusInstance } from '../engine/compute/incus/instances.ts';
import { bytesKey } from '../engine/compute/incus/spec.ts';
import { writeConfig } from './machine-config.ts';
import { hasSimpleQuotas, type LimitedSubvolume, type PoolQuotas, type QuotaState } from './pool-quotas.ts';

export interface Limits {
  state: QuotaState;
  /** Whether the pool was made to count simply now. */
  converted: boolean;
  /** How many limits were written. */
  written: number;
}

/** How often limits are compared: what Incus changes meanwhile is seen by the next time. */
const rounds = 5;

/**
 * Makes the pool count simply where the kernel can, and sees to it that each disk has the limit that Incus has recorded
 * for it. Compares what is with what should be, so it can be interrupted anywhere and run again; no machine is disturbed.
 * @throws where the pool is not mounted, or a limit cannot be written
 */
export async function ensureLimits(
  { incus, quotas }: { incus: IncusClient; quotas: PoolQuotas },
  log: (line: string) => void,
): Promise<Limits> {
  const before = stateOf(quotas);
  const convert = hasSimpleQuotas() === true && (before.mode !== 'squota' || before.inconsistent);
  if (convert) {
    if (before.mode === 'qgroup') await keepBytes({ incus, quotas }, before, log);
    await quotas.makeSimple();
    // The kernel says nothing where the old counting could not be turned off at this moment.
    const made = stateOf(quotas).mode === 'squota';
    log(
      `storage pool ${poolName}: ${made ? 'counts by simple quotas from now on' : 'is made to count simply by the next up'}`,
    );
  }
  // Without any quotas there is no limit yet: Incus turns the counting of old on with the first one.
  const state = stateOf(quotas);
  if (state.mode === 'none') return { state, converted: false, written: 0 };
  let written = 0;
  for (let round = 0; round < rounds; round++) {
    const wrong = differing(await quotas.subvolumes(), await wantedLimits(incus));
    if (wrong.length === 0) break;
    for (const { group, bytes } of wrong) await quotas.limit(group, bytes);
    written += wrong.length;
  }
  if (written > 0) log(`storage pool ${poolName}: ${written} limits of disks written`);
  return { state: stateOf(quotas), converted: convert && state.mode === 'squota', written };
}

function stateOf(quotas: PoolQuotas): QuotaState {
  const state = quotas.state();
  if (!state) throw new Error(`the storage pool is not mounted at ${quotas.directory}: restart incusd`);
  return state;
}

/** What each disk may take by Incus' records, in bytes, by its path in the pool. */
async function wantedLimits(incus: IncusClient): Promise<Map<string, number>> {
  const [instances, volumes] = await Promise.all([
    incus.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1'),
    incus.request<{ name: string; config: Record<string, string> }[]>(
      'GET',
      `/1.0/storage-pools/${poolName}/volumes/custom?recursion=1`,
    ),
  ]);
  const sizes = [
    ...instances.map(({ name, devices }) => [`containers/${name}`, devices['root']?.['size']] as const),
    ...volumes.map(({ name, config }) => [`custom/default_${name}`, config['size']] as const),
  ];
  return new Map(
    sizes.flatMap(([path, size]) => {
      const bytes = bytesOf(size ?? '');
      return bytes ? [[path, bytes]] : [];
    }),
  );
}

/** The limits that are not as they should be. What is not there yet gets its limit from Incus. */
export function differing(
  found: LimitedSubvolume[],
  wanted: Map<string, number>,
): { group: string; bytes: number }[] {
  return found.flatMap(({ group, path, limit }) => {
    const bytes = wanted.get(path);
    return bytes === undefined || bytes === limit ? [] : [{ group, bytes }];
  });
}

const units: Record<string, number> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** The bytes of a size as Incus writes it (`10GiB`); undefined for what is none. */
export function bytesOf(size: string): number | undefined {
  const [, number, unit = ''] = /^(\d+)\s*([A-Za-z]*)$/.exec(size) ?? [];
  const factor = units[unit];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}

/**
 * Notes with each machine what its disk takes, image included: simple quotas count only what is written from now on, and
 * what its next snapshot takes is told from both.
 */
async function keepBytes(
  { incus, quotas }: { incus: IncusClient; quotas: PoolQuotas },
  { inconsistent }: QuotaState,
  log: (line: string) => void,
): Promise<void> {
  if (inconsistent) await quotas.rescan();
  const used = new Map((await quotas.subvolumes()).map((each) => [each.path, String(each.used)]));
  await writeConfig(
    incus,
    bytesKey,
    ({ name }) => used.get(`containers/${name}`),
    // Only the size that its next snapshot shows depends on it.
    (name, error) => log(`${name}: what its disk takes could not be noted: ${String(error)}`),
  );
}
