/** What a loop counts of its own runs, for the operator. What the table says of the moment: state.ts. */
import type { Ending } from './claims.ts';
import type { Held } from './runs.ts';

/** Upper bounds of the histogram of times from wake to done, in seconds. */
export const bucketBounds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800] as const;

export interface KindMetrics {
  /** Runs by how they ended. */
  runs: Record<Ending['how'], number>;
  /** Times from a wake until it was done: not cumulative; the last is for all above the bounds. */
  wakeToDone: { buckets: number[]; sumSeconds: number; count: number };
}

export interface LoopMetrics {
  ran(held: Held, ending: Ending, now: Date): void;
  byKind(): ReadonlyMap<string, KindMetrics>;
}

export function loopMetrics(kinds: string[]): LoopMetrics {
  const all = new Map<string, KindMetrics>(kinds.map((kind) => [kind, none()]));
  return {
    byKind: () => all,
    ran({ claim: { kind, wokenAt }, lost }, ending, now) {
      const metrics = all.get(kind);
      if (!metrics || lost.signal.aborted) return;
      metrics.runs[ending.how]++;
      if (!wokenAt || (ending.how !== 'finished' && ending.how !== 'forgotten')) return;
      const seconds = Math.max(0, now.getTime() - wokenAt.getTime()) / 1000;
      const bucket = bucketBounds.findIndex((bound) => seconds <= bound);
      const { buckets } = metrics.wakeToDone;
      const index = bucket < 0 ? bucketBounds.length : bucket;
      buckets[index] = (buckets[index] ?? 0) + 1;
      metrics.wakeToDone.sumSeconds += seconds;
      metrics.wakeToDone.count++;
    },
  };
}

const none = (): KindMetrics => ({
  runs: { finished: 0, forgotten: 0, failed: 0, waiting: 0, 'given back': 0 },
  wakeToDone: { buckets: Array<number>(bucketBounds.length + 1).fill(0), sumSeconds: 0, count: 0 },
});
