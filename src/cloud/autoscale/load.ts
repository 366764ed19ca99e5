/** The load of a pool, of samples that were taken before: pure. */
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
/** The average over the members that are known. */
export function averageOf(usage: PoolUsage | null): Utilization {
  const all = Object.values(usage?.members ?? {});
  const cpu = mean(all.flatMap((member) => member.cpu ?? []));
  const memory = mean(all.map((member) => member.memory));
  return { ...(memory !== undefined && { memory }), ...(cpu !== undefined && { cpu }) };
}

const mean = (values: number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
