import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../http/errors.ts';
import { type BackupPolicy, nextWindow, parsePolicy, policyView, windowMs } from './policy.ts';

const hours = [0, 4, 8, 12, 16, 20] as const;
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] as const;

const anyPolicy: fc.Arbitrary<BackupPolicy> = fc.oneof(
  fc.record({
    plan: fc.constant('daily' as const),
    weekday: fc.constant(null),
    hour: fc.constantFrom(...hours),
  }),
  fc.record({
    plan: fc.constant('weekly' as const),
    weekday: fc.constantFrom(...weekdays),
    hour: fc.constantFrom(...hours),
  }),
);

describe('a backup policy', () => {
  it.each([
    [undefined, { plan: 'daily', weekday: null, hour: 0 }],
    [null, { plan: 'daily', weekday: null, hour: 0 }],
    [{}, { plan: 'daily', weekday: null, hour: 0 }],
    [
      { plan: 'daily', weekday: 'MON', hour: 20 },
      { plan: 'daily', weekday: null, hour: 20 },
    ],
    [
      { plan: 'weekly', weekday: '', hour: null },
      { plan: 'weekly', weekday: 'SUN', hour: 0 },
    ],
    [
      { plan: 'weekly', weekday: 'SAT', hour: 4 },
      { plan: 'weekly', weekday: 'SAT', hour: 4 },
    ],
  ])('%j means %j', (request, policy) => {
    expect(parsePolicy('backup_policy', request)).toEqual(policy);
  });

  it.each([
    [{ plan: 'hourly' }, /^backup_policy\.plan /],
    [{ hour: 3 }, /^backup_policy\.hour cannot be '3'. It is one of 0, 4, 8, 12, 16, 20\.$/],
    [{ plan: 'weekly', weekday: 'sunday' }, /^backup_policy\.weekday /],
  ])('%j is refused', (request, message) => {
    const parse = () => parsePolicy('backup_policy', request);
    expect(parse).toThrow(ApiError);
    expect(parse).toThrow(message);
  });

  it('shows its window and how long backups are kept', () => {
    expect(policyView({ plan: 'daily', weekday: null, hour: 20 })).toEqual({
      plan: 'daily',
      hour: 20,
      window_length_hours: 4,
      retention_period_days: 7,
    });
    expect(policyView({ plan: 'weekly', weekday: 'SUN', hour: 0 })).toMatchObject({
      weekday: 'SUN',
      retention_period_days: 28,
    });
  });
});

describe('the next window', () => {
  it.each([
    ['daily', null, 8, '2026-01-01T07:59:59Z', '2026-01-01T08:00:00Z'],
    ['daily', null, 8, '2026-01-01T08:00:00Z', '2026-01-02T08:00:00Z'],
    ['daily', null, 0, '2026-12-31T23:00:00Z', '2027-01-01T00:00:00Z'],
    // 1 January 2026 is a Thursday.
    ['weekly', 'THU', 20, '2026-01-01T19:00:00Z', '2026-01-01T20:00:00Z'],
    ['weekly', 'THU', 20, '2026-01-01T20:00:00Z', '2026-01-08T20:00:00Z'],
    ['weekly', 'WED', 20, '2026-01-01T20:00:00Z', '2026-01-07T20:00:00Z'],
    ['weekly', 'SUN', 0, '2026-02-28T12:00:00Z', '2026-03-01T00:00:00Z'],
  ] as const)('%s %s %i after %s opens %s', (plan, weekday, hour, after, opens) => {
    expect(nextWindow({ plan, weekday, hour }, new Date(after))).toEqual(new Date(opens));
  });

  it('is on the right day and hour, ahead, and the nearest', () => {
    const times = fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(anyPolicy, times, (policy, after) => {
        const opens = nextWindow(policy, after);
        const period = policy.plan === 'weekly' ? 7 * 86_400_000 : 86_400_000;
        expect(opens.getTime()).toBeGreaterThan(after.getTime());
        expect(opens.getTime()).toBeLessThanOrEqual(after.getTime() + period);
        expect(opens.getTime() % windowMs).toBe(0);
        expect(opens.getUTCHours()).toBe(policy.hour);
        if (policy.weekday) expect(weekdays[opens.getUTCDay()]).toBe(policy.weekday);
      }),
    );
  });
});
