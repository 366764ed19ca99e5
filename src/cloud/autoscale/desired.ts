/** How many members a pool should have: a pure function of its configuration and what is known of it. */
import { isStatic, type PoolConfig } from './config.ts';

/** Shares of what the members have, 0 to 1; absent where not known. */
export interface Utilization {
  cpu?: number;
  memory?: number;
}

export interface Known {
  /** What was decided last; undefined for a new pool. */
  last: number | undefined;
  /** How many members the measured load was spread over. */
  members: number;
  /** Their average, where there is a new sample and the cooldown is over: only then the load decides. */
  load: Utilization | undefined;
}

export type Reason = 'CONFIGURATION_CHANGE' | 'SCALE_UP' | 'SCALE_DOWN';

export interface Decision {
  count: number;
  reason: Reason;
}

/**
 * DigitalOcean's published rule: the ceiling of members × load ÷ target, the largest over all metrics, within the
 * bounds.
 */
export function decide(config: PoolConfig, known: Known): Decision {
  if (isStatic(config)) return { count: config.target_number_instances, reason: 'CONFIGURATION_CHANGE' };
  const within = (count: number) => Math.min(Math.max(count, config.min_instances), config.max_instances);
  const configured = within(known.last ?? config.min_instances);
  const wanted = [
    wantedFor(known, known.load?.cpu, config.target_cpu_utilization),
    wantedFor(known, known.load?.memory, config.target_memory_utilization),
  ].filter((count) => count !== undefined);
  if (wanted.length === 0) return { count: configured, reason: 'CONFIGURATION_CHANGE' };
  const count = within(Math.max(...wanted));
  if (count === configured) return { count, reason: 'CONFIGURATION_CHANGE' };
  return { count, reason: count > configured ? 'SCALE_UP' : 'SCALE_DOWN' };
}

function wantedFor({ members }: Known, load: number | undefined, target: number | undefined) {
  if (load === undefined || target === undefined) return undefined;
  // 3 × 0.6 ÷ 0.6 is a little more than 3 in floating point: not a reason for a fourth.
  return Math.ceil((members * load) / target - 1e-9);
}
