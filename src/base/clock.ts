/**
 * Time as a port, so that tests drive it and never sleep. It is the world's time: what is kept in rows and what happens
 * in the world goes by it, which is schedules, windows, retention, when rows expire (tokens, too), waits and their
 * ends, everything simulated.
 *
 * Not for what others judge by their own clocks: the freshness of protocols (certificates of TLS, signatures, one-time
 * codes, JWTs) goes by the wall clock, `Date.now()`, since the other side is not driven by a test. Nor for how long
 * something takes in this process (leases, deadlines of a call, pauses between tries): that is `performance.now()`,
 * which nobody sets. `test/house/clock.test.ts` keeps both out of products but for listed reasons.
 */
export interface Clock {
  now(): Date;
  /** Calls `callback` once, `delayMs` from now; the answer cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => new Date(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, 0x7fffffff));
    return () => clearTimeout(timer);
  },
};

/** A promise that resolves `delayMs` from now, or at once when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

export interface DrivenClock extends Clock {
  /** Moves time forward by `ms`, running what falls due on the way, in order. */
  advance(ms: number): Promise<void>;
}

/** A clock that stands still until it is advanced. */
export function drivenClock(start = new Date('2026-01-01T00:00:00Z')): DrivenClock {
  let now = start.getTime();
  let sequence = 0;
  const pending = new Map<number, { at: number; callback: () => void }>();
  const earliest = (limit: number) => {
    let best: [number, { at: number; callback: () => void }] | undefined;
    for (const entry of pending)
      if (entry[1].at <= limit && (!best || entry[1].at < best[1].at)) best = entry;
    return best;
  };
  /** Lets what was resolved run, and ask for its own timers, before time moves on. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => new Date(now),
    after(delayMs, callback) {
      const id = sequence++;
      pending.set(id, { at: now + Math.max(0, delayMs), callback });
      return () => pending.delete(id);
    },
    async advance(ms) {
      const target = now + ms;
      await settle();
      for (let next = earliest(target); next; next = earliest(target)) {
        pending.delete(next[0]);
        now = next[1].at;
        next[1].callback();
        await settle();
      }
      now = target;
    },
  };
}
