/** How benchmarks show what they measured. */
import { availableParallelism, loadavg } from 'node:os';

export interface Summary {
  min: number;
  median: number;
  max: number;
}

/** Throws where there is nothing to sum up. */
export function summarise(values: readonly number[]): Summary {
  return { min: quantile(values, 0), median: quantile(values, 0.5), max: quantile(values, 1) };
}

/** The value that the share `q` (0 to 1) of the values does not exceed, interpolated between neighbours. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = q * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
  if (low === undefined || high === undefined) throw new Error('nothing was measured');
  return low + (high - low) * (position - Math.floor(position));
}

/** Says what is measured, and on how busy a machine: absolute figures mean little without it. */
export function title(text: string): void {
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(`\n${text}`);
  console.log(
    `Node ${process.versions.node}, ${availableParallelism()} cores, load average ${load.join(' ')}\n`,
  );
}

/** A row for each name: min, median and max, with `digits` after the point. */
export function table(unit: string, rows: Record<string, readonly number[]>, digits = 1): void {
  const width = Math.max(unit.length, ...Object.keys(rows).map((name) => name.length)) + 2;
  const line = (cells: string[]) => cells.map((cell) => cell.padStart(10)).join('');
  console.log(unit.padEnd(width) + line(['min', 'median', 'max', 'n']));
  for (const [name, values] of Object.entries(rows)) {
    const { min, median, max } = summarise(values);
    const cells = [min, median, max].map((value) => value.toFixed(digits));
    console.log(name.padEnd(width) + line([...cells, String(values.length)]));
  }
  console.log('');
}

/** The ratio of the medians of two rows, the first to the second, beside its target. */
export function ratio(what: string, rows: Record<string, readonly number[]>, target: Target): void {
  const [subject = 0, baseline = 1] = Object.values(rows).map((values) => summarise(values).median);
  verdict(`ratio of the medians, ${what}`, subject / baseline, target);
}

/** How long something takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

type Target = { atLeast: number } | { atMost: number };

/** A figure beside its target. */
export function verdict(what: string, value: number, target: Target): void {
  const [relation, limit] = 'atLeast' in target ? ['at least', target.atLeast] : ['at most', target.atMost];
  const met = 'atLeast' in target ? value >= limit : value <= limit;
  console.log(`${what}: ${value.toFixed(2)} (target: ${relation} ${limit}): ${met ? 'met' : 'NOT MET'}`);
}
