import type { Clock } from '../base/clock.ts';

/** What a token has left, for the `ratelimit-*` headers. */
export interface RateLimitState {
  /** Requests per hour. */
  limit: number;
  remaining: number;
  /** Unix seconds when the oldest counted request ages out. */
  reset: number;
  /** Seconds until another request is accepted; absent if this one was. */
  retryAfter?: number;
}

export interface RateLimit {
  /** Counts a request of this token. A refused request is not counted. */
  take(tokenId: string): RateLimitState;
}

export interface RateLimitOptions {
  perHour: number;
  perMinute: number;
  clock: Clock;
}

/** Parts of a window: a request ages out when its part does, so up to one part (1/60) late, never early. */
const parts = 60;
/** Tokens remembered at once, about 1 KB each. The one that came first is forgotten when there are more. */
const maxTokens = 10_000;

/** Sliding windows of an hour and a minute for each token, in constant time and memory per request. */
export function rateLimit({ perHour, perMinute, clock }: RateLimitOptions): RateLimit {
  const tokens = new Map<string, { hour: SlidingWindow; minute: SlidingWindow }>();
  return {
    take(tokenId) {
      const now = clock.now().getTime();
      let token = tokens.get(tokenId);
      if (!token) {
        token = { hour: slidingWindow(3_600_000), minute: slidingWindow(60_000) };
        tokens.set(tokenId, token);
        const first = tokens.keys().next().value;
        if (tokens.size > maxTokens && first !== undefined) tokens.delete(first);
      }
      const { hour, minute } = token;
      hour.moveTo(now);
      minute.moveTo(now);
      const full = [
        ...(hour.total() >= perHour ? [hour.freeAt()] : []),
        ...(minute.total() >= perMinute ? [minute.freeAt()] : []),
      ];
      if (full.length === 0) {
        hour.add();
        minute.add();
      }
      const state = {
        limit: perHour,
        remaining: Math.max(0, perHour - hour.total()),
        reset: Math.ceil(hour.freeAt() / 1000),
      };
      if (full.length === 0) return state;
      return { ...state, retryAfter: Math.max(1, Math.ceil((Math.max(...full) - now) / 1000)) };
    },
  };
}

type SlidingWindow = ReturnType<typeof slidingWindow>;

/** Counts over the last `lengthMs`, in a ring of parts. */
function slidingWindow(lengthMs: number) {
  const partMs = lengthMs / parts;
  // One part more than the window has: the newest is not full yet.
  const size = parts + 1;
  const counts = new Uint32Array(size);
  let newest = 0;
  let oldest = 0;
  let total = 0;
  return {
    /** Forgets what has aged out. Time that went backwards changes nothing. */
    moveTo(now: number) {
      const part = Math.floor(now / partMs);
      if (part <= newest) return;
      for (let old = oldest; old <= Math.min(newest, part - size); old++) {
        total -= counts[old % size] ?? 0;
        counts[old % size] = 0;
      }
      newest = part;
      oldest = Math.max(oldest, part - size + 1);
    },
    add() {
      counts[newest % size] = (counts[newest % size] ?? 0) + 1;
      total++;
    },
    total: () => total,
    /** Unix milliseconds when the oldest counted request ages out; now-ish when none is counted. */
    freeAt() {
      while (oldest < newest && counts[oldest % size] === 0) oldest++;
      return (total === 0 ? newest : oldest + size) * partMs;
    },
  };
}
