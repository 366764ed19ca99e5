/** What to do next about a pool: pure. */
import type { Plan } from '../../control/converge.ts';
import { cooldownMs } from './config.ts';
import { type Decision, decide } from './desired.ts';
import { averageOf, sampleMs } from './load.ts';
import { isProvisioning, type Member, neverMade } from './members.ts';
import type { HistoryEvent, Pool } from './pool.ts';

/** A pool with its members and what was decided last. */
export interface PoolRow {
  pool: Pool;
  all: Member[];
  /** What was decided last, and how it went. */
  last: HistoryEvent | undefined;
}

export interface ObservedPool {
  /** Over so many members the load was measured in this run. */
  sampled?: number;
  /** Members that were dismissed in this run. One that is busy stays as it was. */
  dismissed: readonly number[];
}

export type PoolStep =
  /** Asks the engine how busy the members are. */
  | { do: 'sample'; members: Member[] }
  | { do: 'remove'; member: Member }
  /** Writes down what was decided, as the newest event. */
  | { do: 'decide'; decision: Decision; members: number }
  /** The newest event has come true, or cannot. */
  | { do: 'succeed'; event: HistoryEvent }
  | { do: 'fail'; reason: string }
  | { do: 'start-cooldown' }
  | { do: 'add'; missing: number; wanted: number }
  /** Tells a member to shut down. */
  | { do: 'dismiss'; member: Member };

/** When to look again; `gone`: the pool is no more. */
export type PoolEnd = { at: Date } | 'gone';

/** How long to wait after members could not be made, ms. */
export const retryMs = 60_000;

export function planPool(row: PoolRow, observed: ObservedPool, now: Date): Plan<PoolStep, PoolEnd> {
  const { pool, all } = row;
  // One that is gone already has kept its droplets, and what still calls itself a member was made while it went.
  if (pool.deleted_at || pool.status === 'deleting')
    return all.length > 0 ? { steps: all.map(removal) } : { settled: 'gone' };
  const members = all.filter((member) => !member.leaving && !neverMade(member));
  // Once in a run, however long that takes.
  if (observed.sampled === undefined && (!pool.usage || now.getTime() >= pool.usage.at + sampleMs))
    return { steps: [{ do: 'sample', members: members.filter(isActive) }] };
  // What is leaving is waited for until its shutdown has ended, well or not.
  const left = all.filter((member) => member.leaving && member.pending_action_id === null);
  if (left.length > 0) return { steps: left.map(removal) };
  return planSize({ ...row, members }, observed, now);
}

/** `members`: those that count, neither leaving nor failed. */
type Counted = PoolRow & { members: Member[] };

/** One step towards the number that is wanted; the members' changes wake the pool for the next. */
function planSize(row: Counted, observed: ObservedPool, now: Date): Plan<PoolStep, PoolEnd> {
  const { pool, all, last, members } = row;
  const decision = decisionFor(row, observed, now);
  const changed = decision.count !== last?.desired_instance_count;
  // Members of an older template do not count as there, but stay until the new ones have taken over.
  const fresh = members.filter((member) => member.id > pool.template_after);
  const missing = decision.count - fresh.length;
  const surplus = members.length - decision.count;
  const later = { settled: { at: new Date((pool.usage?.at ?? 0) + sampleMs) } };
  const deciding = (decided: Decision = decision): PoolStep[] =>
    changed || last?.status !== 'in_progress'
      ? [{ do: 'decide', decision: decided, members: members.length }]
      : [];

  const failed = all.filter((member) => !member.leaving && neverMade(member));
  if (failed.length > 0) {
    const reason = `${failed.length} of the Droplets could not be created.`;
    return { steps: [...deciding(), { do: 'fail', reason }, ...failed.map(removal)] };
  }
  if (missing <= 0 && surplus <= 0) {
    if (changed) return { steps: deciding() };
    const settled = all.length === members.length && !members.some(isProvisioning);
    const noted = last?.status === 'success' && pool.status !== 'error';
    return last && settled && !noted ? { steps: [{ do: 'succeed', event: last }] } : later;
  }
  if (missing > 0) {
    const rests = !changed && restsUntil(row);
    if (rests && now < rests) return { settled: { at: rests } };
    const lost = !changed && fresh.length === members.length;
    return {
      steps: [
        ...deciding(lost ? { ...decision, reason: 'SCALE_UP' } : decision),
        { do: 'start-cooldown' },
        { do: 'add', missing, wanted: decision.count },
      ],
    };
  }
  const mayGo = fresh.length === members.length || (isCool(pool, now) && fresh.every(isActive));
  const dismissed = mayGo ? outgoing(members).slice(0, surplus) : [];
  const steps: PoolStep[] = [
    ...deciding(),
    ...(changed ? [{ do: 'start-cooldown' } as const] : []),
    ...dismissed
      .filter(({ id }) => !observed.dismissed.includes(id))
      .map((member) => ({ do: 'dismiss', member }) as const),
  ];
  return steps.length > 0 ? { steps } : later;
}

/** The load counts where it is new, just these members bear it, and the last change has had time to show. */
function decisionFor({ pool, members, last }: Counted, { sampled }: ObservedPool, now: Date): Decision {
  const telling =
    sampled === members.length && isCool(pool, now) && members.length > 0 && members.every(isActive);
  return decide(pool.config, {
    last: last?.desired_instance_count,
    members: members.length,
    load: telling ? averageOf(pool.usage) : undefined,
  });
}

/** When members are ordered again after it failed; undefined where it did not. A change by the user does not wait. */
function restsUntil({ pool, last }: PoolRow): Date | undefined {
  if (last?.status !== 'error' || last.updated_at < pool.updated_at) return undefined;
  return new Date(last.updated_at.getTime() + retryMs);
}

const isCool = (pool: Pool, now: Date): boolean =>
  (pool.last_scaled_at?.getTime() ?? 0) + cooldownMs(pool.config) <= now.getTime();

const removal = (member: Member): PoolStep => ({ do: 'remove', member });

const isActive = ({ status }: Member): boolean => status === 'active';

/** In the order in which they go: first what does not run, then the oldest. */
const outgoing = (members: Member[]): Member[] =>
  members.toSorted((a, b) => Number(isActive(a)) - Number(isActive(b)) || a.id - b.id);
