/** How many members a pool is to have: a fixed number, or between two bounds by how busy they are. */
import { type Static, Type } from 'typebox';
import { invalid } from '../../http/errors.ts';

const optionalNumber = (description: string) =>
  Type.Optional(Type.Union([Type.Number({ description }), Type.Null()]));

/** As requests give it; `parseConfig` says what is wrong with it. 0 and null are as good as absent. */
export const ConfigRequest = Type.Object({
  target_number_instances: optionalNumber('A fixed number of members, 1 to 1000.'),
  min_instances: optionalNumber('1 to 500.'),
  max_instances: optionalNumber('1 to 1000.'),
  target_cpu_utilization: optionalNumber('0.05 to 1.'),
  target_memory_utilization: optionalNumber('0.05 to 1.'),
  cooldown_minutes: optionalNumber('Between two changes of the number of members: 5 to 20, by default 10.'),
});

export interface StaticConfig {
  target_number_instances: number;
}

export interface DynamicConfig {
  min_instances: number;
  max_instances: number;
  target_cpu_utilization?: number;
  target_memory_utilization?: number;
  cooldown_minutes?: number;
}

export type PoolConfig = StaticConfig | DynamicConfig;

export const isStatic = (config: PoolConfig): config is StaticConfig => 'target_number_instances' in config;

/** How long after one change of the number the next one may come, ms. */
export const cooldownMs = (config: PoolConfig): number =>
  (isStatic(config) ? 10 : (config.cooldown_minutes ?? 10)) * 60_000;

const limits = {
  target_number_instances: [1, 1000],
  min_instances: [1, 500],
  max_instances: [1, 1000],
  target_cpu_utilization: [0.05, 1],
  target_memory_utilization: [0.05, 1],
  cooldown_minutes: [5, 20],
} as const;

/** The checked configuration, without what was not given. @throws ApiError 422 naming the field */
export function parseConfig(request: Static<typeof ConfigRequest>): PoolConfig {
  const given: Partial<Record<keyof typeof limits, number>> = {};
  for (const [field, [least, most]] of Object.entries(limits) as [
    keyof typeof limits,
    readonly [number, number],
  ][]) {
    const value = request[field];
    if (!value) continue;
    const whole = !field.endsWith('_utilization');
    if (value < least || value > most || (whole && !Number.isInteger(value)))
      throw invalid(`config.${field}`, `must be ${whole ? 'a whole number ' : ''}from ${least} to ${most}.`);
    given[field] = value;
  }
  const { target_number_instances: fixed, min_instances: min, max_instances: max, ...rest } = given;
  if (fixed !== undefined) {
    if (min !== undefined || max !== undefined || Object.keys(rest).length > 0) {
      throw invalid(
        'config',
        'has target_number_instances, for a pool of fixed size, beside fields of a pool that scales by load: give one or the other.',
      );
    }
    return { target_number_instances: fixed };
  }
  if (min === undefined || max === undefined)
    throw invalid('config', 'needs target_number_instances, or both min_instances and max_instances.');
  if (min > max) throw invalid('config.min_instances', `is larger than max_instances, ${max}.`);
  if (rest.target_cpu_utilization === undefined && rest.target_memory_utilization === undefined)
    throw invalid('config', 'needs target_cpu_utilization or target_memory_utilization to scale by.');
  return { min_instances: min, max_instances: max, ...rest };
}
