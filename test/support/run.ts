import type { Run } from '../../src/control/loop.ts';

/** What a reconciler is called with outside of a loop: its first run, by which nothing was waited for. */
export const undisturbedRun = (): Run => ({
  attempts: 0,
  overdue: () => false,
  signal: new AbortController().signal,
  observing() {},
  slow() {},
});
