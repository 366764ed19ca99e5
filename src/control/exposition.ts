/** The loop's figures as Prometheus reads them (text format 0.0.4). */
import { bucketBounds, type LoopMetrics } from './metrics.ts';
import type { LoopState } from './state.ts';

/** The media type of `expose`'s text. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Record<string, string>;

const escaped = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

const sample = (name: string, labels: Labels, value: number): string => {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`;
};

const family = (name: string, type: string, help: string, samples: string[]): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
  ...samples,
];

const states = ['due', 'running', 'waiting', 'overdue', 'failing', 'scheduled'] as const;

/** @param counts of this process; `state` is of all that share the database */
export function expose(counts: ReturnType<LoopMetrics['byKind']>, state: LoopState, now: Date): string {
  const kinds = [...counts];
  // A kind with nothing to do shows as 0, so that a graph of it has no gaps.
  const idle = { due: 0, running: 0, waiting: 0, overdue: 0, failing: 0, scheduled: 0, oldest: null };
  const all = new Map(kinds.map(([kind]) => [kind, { ...idle }]));
  const now_ = now.getTime();
  const shown = [...all].map(
    ([kind, none]) => state.kinds.find((each) => each.kind === kind) ?? { ...none, kind },
  );
  for (const each of state.kinds) if (!all.has(each.kind)) shown.push(each);
  const lines = [
    ...family('atoll_loops', 'gauge', 'Control planes that share the database.', [
      sample('atoll_loops', {}, state.loops),
    ]),
    ...family(
      'atoll_reconcile_resources',
      'gauge',
      'Resources that are not as they are wanted, by what is done about it.',
      shown.flatMap((each) =>
        states.map((which) =>
          sample('atoll_reconcile_resources', { kind: each.kind, state: which }, each[which]),
        ),
      ),
    ),
    ...family(
      'atoll_reconcile_oldest_seconds',
      'gauge',
      'For how long the longest of those that are due, waiting or failing is not done.',
      shown.map(({ kind, oldest }) =>
        sample(
          'atoll_reconcile_oldest_seconds',
          { kind },
          oldest ? Math.max(0, (now_ - oldest.getTime()) / 1000) : 0,
        ),
      ),
    ),
    ...family(
      'atoll_reconcile_runs_total',
      'counter',
      'Runs of this process, by how they ended.',
      kinds.flatMap(([kind, { runs }]) =>
        Object.entries(runs).map(([how, count]) =>
          sample('atoll_reconcile_runs_total', { kind, ended: how.replaceAll(' ', '_') }, count),
        ),
      ),
    ),
    ...family(
      'atoll_reconcile_wake_to_done_seconds',
      'histogram',
      'From the commit that asked for it until it was done, in this process.',
      kinds.flatMap(([kind, { wakeToDone }]) =>
        histogram('atoll_reconcile_wake_to_done_seconds', kind, wakeToDone),
      ),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function histogram(
  name: string,
  kind: string,
  { buckets, sumSeconds, count }: { buckets: number[]; sumSeconds: number; count: number },
): string[] {
  let below = 0;
  const cumulative = bucketBounds.map((bound, index) => {
    below += buckets[index] ?? 0;
    return sample(`${name}_bucket`, { kind, le: String(bound) }, below);
  });
  return [
    ...cumulative,
    sample(`${name}_bucket`, { kind, le: '+Inf' }, count),
    sample(`${name}_sum`, { kind }, sumSeconds),
    sample(`${name}_count`, { kind }, count),
  ];
}

/** The bound below which so large a share of what was counted lies, in seconds; undefined where nothing was. */
export function quantile(buckets: readonly number[], share: number): number | undefined {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  for (const [index, count] of buckets.entries()) {
    below += count;
    if (below >= share * total) return bucketBounds[index] ?? Infinity;
  }
  return Infinity;
}
