import { quantile } from '../control/exposition.ts';
import type { LoopReport } from '../control/operator-port.ts';

/** Seconds as a person reads them. */
function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${Math.round(seconds * 10) / 10} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

const states = ['due', 'running', 'waiting', 'overdue', 'failing', 'scheduled'] as const;
/** So much of an error is shown; the log has the rest. */
const longest = 120;

/** What the control loop has to do, as lines: a line for each kind, and one for its last error. */
export function loopLines({ loops, kinds, counts }: LoopReport, now: Date): string[] {
  const all = [...new Set([...kinds.map(({ kind }) => kind), ...Object.keys(counts)])].sort();
  const width = Math.max(...all.map((kind) => kind.length)) + 2;
  const lines = all.flatMap((kind) => {
    const state = kinds.find((each) => each.kind === kind);
    const wakeToDone = counts[kind]?.wakeToDone;
    const parts = states.filter((each) => (state?.[each] ?? 0) > 0).map((each) => `${state?.[each]} ${each}`);
    // Over JSON a date is a text.
    if (state?.oldest)
      parts.push(`oldest ${duration((now.getTime() - new Date(state.oldest).getTime()) / 1000)}`);
    const [half, most] = [0.5, 0.99].map((share) => quantile(wakeToDone?.buckets ?? [], share));
    if (half !== undefined && most !== undefined)
      parts.push(`${wakeToDone?.count} done, half below ${duration(half)}, 99 % below ${duration(most)}`);
    if (parts.length === 0) return [];
    const error = state?.lastError?.replaceAll('\n', ' ');
    return [
      `  ${kind.padEnd(width)}${parts.join(', ')}`,
      ...(error
        ? [`  ${''.padEnd(width)}${error.length > longest ? `${error.slice(0, longest)}…` : error}`]
        : []),
    ];
  });
  const planes = `${loops} control plane${loops === 1 ? '' : 's'}`;
  return lines.length === 0
    ? [`control loop (${planes}): nothing to do`]
    : [`control loop (${planes}):`, ...lines];
}
