/** How busy a pool's members are, from samples of the engine's counters. */
import type { Compute, Usage } from '../../engine/compute/port.ts';
import { instanceName } from '../droplets/index.ts';
import { findSize } from '../sizes/index.ts';
import type { Utilization } from './desired.ts';

/** As the pool's row keeps it, by droplet id. */
export interface PoolUsage {
  /** When it was taken, ms since 1970. */
  at: number;
  /** `cpuSeconds`: the counter; `cpu`: the share used since the sample before, absent in a member's first. */
  members: Record<string, { cpuSeconds: number; cpu?: number; memory: number }>;
}

/** How long between two samples, ms. */
export const sampleMs = 60_000;
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

/** The average over the members that are known. */
export function averageOf(usage: PoolUsage | null): Utilization {
  const all = Object.values(usage?.members ?? {});
  const cpu = mean(all.flatMap((member) => member.cpu ?? []));
  const memory = mean(all.map((member) => member.memory));
  return { ...(memory !== undefined && { memory }), ...(cpu !== undefined && { cpu }) };
}

const mean = (values: number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
