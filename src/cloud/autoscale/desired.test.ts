import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cooldownMs, parseConfig } from './config.ts';
import { decide } from './desired.ts';

const dynamic = { min_instances: 1, max_instances: 10, target_cpu_utilization: 0.8 };

describe('the number of members', () => {
  it.each([
    // DigitalOcean's own example.
    [2, { cpu: 0.95 }, dynamic, 3, 'SCALE_UP'],
    [4, { cpu: 0.1 }, dynamic, 1, 'SCALE_DOWN'],
    [3, { cpu: 0.8 }, dynamic, 3, 'CONFIGURATION_CHANGE'],
    [9, { cpu: 1 }, dynamic, 10, 'SCALE_UP'],
    [2, undefined, dynamic, 2, 'CONFIGURATION_CHANGE'],
    [2, { memory: 1 }, dynamic, 2, 'CONFIGURATION_CHANGE'],
    [2, { cpu: 0.1, memory: 0.9 }, { ...dynamic, target_memory_utilization: 0.3 }, 6, 'SCALE_UP'],
    [12, undefined, dynamic, 10, 'CONFIGURATION_CHANGE'],
    [3, { cpu: 1 }, { target_number_instances: 2 }, 2, 'CONFIGURATION_CHANGE'],
  ])('%i members under %j with %j: %i, %s', (members, load, config, count, reason) => {
    expect(decide(config, { last: members, members, load })).toEqual({ count, reason });
  });

  it('begins at the least', () => {
    const config = { ...dynamic, min_instances: 3 };
    expect(decide(config, { last: undefined, members: 0, load: undefined }).count).toBe(3);
  });

  it('stays within its bounds, whatever is measured', () => {
    const share = fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2000 }), share, share, (members, cpu, memory) => {
        const load = { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
        const { count } = decide(dynamic, { last: members, members, load });
        expect(count).toBeGreaterThanOrEqual(1);
        expect(count).toBeLessThanOrEqual(10);
      }),
    );
  });
});

describe('a pool configuration', () => {
  it.each([
    [
      { target_number_instances: 3, min_instances: 0, cooldown_minutes: null },
      { target_number_instances: 3 },
    ],
    [{ ...dynamic, target_memory_utilization: 0 }, dynamic],
  ])('%j is taken', (request, config) => {
    expect(parseConfig(request)).toEqual(config);
  });

  it.each([
    [{}, /needs target_number_instances, or both/],
    [
      { target_number_instances: 1001 },
      /^config\.target_number_instances must be a whole number from 1 to 1000/,
    ],
    [{ target_number_instances: 1.5 }, /whole number/],
    [{ target_number_instances: 1, min_instances: 1 }, /give one or the other/],
    [{ ...dynamic, min_instances: 11 }, /larger than max_instances/],
    [{ ...dynamic, target_cpu_utilization: 1.5 }, /from 0\.05 to 1\./],
    [{ ...dynamic, cooldown_minutes: 4 }, /from 5 to 20/],
    [{ min_instances: 1, max_instances: 2 }, /to scale by/],
  ])('%j is refused', (request, message) => {
    expect(() => parseConfig(request)).toThrow(message);
  });

  it('cools down for ten minutes unless it says otherwise', () => {
    expect(cooldownMs(dynamic)).toBe(600_000);
    expect(cooldownMs({ ...dynamic, cooldown_minutes: 5 })).toBe(300_000);
  });
});
