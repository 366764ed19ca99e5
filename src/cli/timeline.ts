/** Moments of something that is under way, in ms since its start. */
export interface Timeline {
  entries: { name: string; ms: number }[];
  mark(name: string): void;
}

/** A timeline that starts now. */
export function createTimeline(now: () => number = () => performance.now()): Timeline {
  const start = now();
  const entries: Timeline['entries'] = [];
  return { entries, mark: (name) => void entries.push({ name, ms: now() - start }) };
}

/** One line for each moment, the time since the start in ms. */
export function formatTimeline(entries: Timeline['entries']): string {
  return entries.map(({ name, ms }) => `  ${`${Math.round(ms)} ms`.padStart(9)}  ${name}`).join('\n');
}
