/** How busy a pool's members are, from samples of the engine's counters. */
import type { Compute, Usage } from '../../engine/compute/port.ts';
import { instanceName } from '../droplets/index.ts';
import { findSize } from '../sizes/index.ts';
import type { PoolUsage } from './load.ts';

/** How many machines are asked at once. */
const atOnce = 8;

/** Asks the engine about each machine. One that does not answer, or does not run, is left out. */
export async function sampleUsage(
  compute: Pick<Compute, 'usage'>,
  members: readonly { id: number; nonce: string; size: string }[],
  before: PoolUsage | null,
  at: number,
): Promise<PoolUsage> {
  const sample: PoolUsage = { at, members: {} };
  for (let first = 0; first < members.length; first += atOnce) {
    await Promise.all(
      members.slice(first, first + atOnce).map(async ({ id, nonce, size }) => {
        const usage = await compute.usage(instanceName({ id, nonce })).catch(() => undefined);
        if (!usage) return;
        const cpu = cpuShare(usage, before, { id, at, vcpus: findSize(size)?.vcpus ?? 1 });
        sample.members[id] = {
          cpuSeconds: usage.cpuSeconds,
          ...(cpu !== undefined && { cpu }),
          memory: share(usage.memoryBytes / usage.memoryLimitBytes),
        };
      }),
    );
  }
  return sample;
}

/** The counter begins anew when a machine is started: then there is no share until the next sample. */
function cpuShare(
  usage: Usage,
  before: PoolUsage | null,
  { id, at, vcpus }: { id: number; at: number; vcpus: number },
): number | undefined {
  const last = before?.members[id];
  if (!before || !last || at <= before.at || usage.cpuSeconds < last.cpuSeconds) return undefined;
  return share((usage.cpuSeconds - last.cpuSeconds) / (((at - before.at) / 1000) * vcpus));
}

const share = (value: number): number =>
  Number.isFinite(value) ? Math.round(Math.min(Math.max(value, 0), 1) * 10_000) / 10_000 : 0;
