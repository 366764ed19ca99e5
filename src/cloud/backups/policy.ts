/** When backups are taken and how long they are kept: DigitalOcean's rules, as pure functions. All times are UTC. */
import { type Static, Type } from 'typebox';
import { invalid, quoted } from '../../http/errors.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] as const;
const hours = [0, 4, 8, 12, 16, 20] as const;
const plans = ['weekly', 'daily'] as const;
const retentionDays = { daily: 7, weekly: 28 } as const;
const windowHours = 4;

type Plan = (typeof plans)[number];

/** How long a window is open, ms. */
export const windowMs = windowHours * hourMs;
/** How long a backup is kept that was taken under a plan that is off now: as long as any plan keeps one, ms. */
export const longestRetentionMs = retentionDays.weekly * dayMs;

export interface BackupPolicy {
  plan: Plan;
  /** Of weekly backups only. */
  weekday: (typeof weekdays)[number] | null;
  hour: (typeof hours)[number];
}

/** The columns of a droplet that hold its policy. */
export interface PolicyColumns {
  backup_plan: string | null;
  backup_weekday: string | null;
  backup_hour: number | null;
}

/** A policy as requests give it. Values are checked by `parsePolicy`, whose messages name what is allowed. */
export const BackupPolicyRequest = Type.Object({
  plan: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  weekday: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  hour: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
});

/**
 * The policy a request asks for. Without a plan it is daily, as on DigitalOcean; without an hour the window opens at
 * 0:00 UTC, without a weekday on Sunday. A weekday beside a daily plan means nothing.
 * @param field as the client wrote it, for messages
 * @throws ApiError 422 naming the field
 */
export function parsePolicy(
  field: string,
  request: Static<typeof BackupPolicyRequest> | null | undefined,
): BackupPolicy {
  const plan = oneOf(plans, request?.plan || 'daily', `${field}.plan`);
  const hour = oneOf(hours, request?.hour ?? 0, `${field}.hour`);
  if (plan === 'daily') return { plan, weekday: null, hour };
  return { plan, weekday: oneOf(weekdays, request?.weekday || 'SUN', `${field}.weekday`), hour };
}

function oneOf<Value extends string | number>(
  allowed: readonly Value[],
  value: string | number,
  field: string,
): Value {
  const found = allowed.find((each) => each === value);
  if (found === undefined)
    throw invalid(field, `cannot be ${quoted(String(value))}. It is one of ${allowed.join(', ')}.`);
  return found;
}

/** The policy of a droplet; undefined where its backups are off. */
export function policyOf(row: PolicyColumns): BackupPolicy | undefined {
  const plan = plans.find((each) => each === row.backup_plan);
  if (!plan) return undefined;
  return {
    plan,
    weekday: weekdays.find((each) => each === row.backup_weekday) ?? null,
    hour: hours.find((each) => each === row.backup_hour) ?? 0,
  };
}

/** When the next window opens after `after`: never at that very moment. */
export function nextWindow(policy: BackupPolicy, after: Date): Date {
  const opens = new Date(after);
  opens.setUTCHours(policy.hour, 0, 0, 0);
  if (policy.weekday !== null) {
    const ahead = (weekdays.indexOf(policy.weekday) - opens.getUTCDay() + 7) % 7;
    opens.setUTCDate(opens.getUTCDate() + ahead);
  }
  if (opens <= after) opens.setUTCDate(opens.getUTCDate() + (policy.plan === 'weekly' ? 7 : 1));
  return opens;
}

/** How long a backup is kept, ms. */
export const retentionMs = (policy: BackupPolicy): number => retentionDays[policy.plan] * dayMs;

/** The plans there are, as GET /v2/droplets/backups/supported_policies lists them. */
export const supportedPolicies = plans.map((plan) => ({
  name: plan,
  possible_window_starts: [...hours],
  window_length_hours: windowHours,
  retention_period_days: retentionDays[plan],
  possible_days: plan === 'weekly' ? [...weekdays] : [],
}));

/** A policy as clients see it. */
export const policyView = ({ plan, weekday, hour }: BackupPolicy) => ({
  plan,
  ...(weekday !== null && { weekday }),
  hour,
  window_length_hours: windowHours,
  retention_period_days: retentionDays[plan],
});
