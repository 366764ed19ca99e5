import type { Clock } from '../base/clock.ts';
import { ApiError } from './errors.ts';
import { rateLimit } from './rate-limit.ts';

/** How many unknown tokens of one address are looked up: far more than an address has tokens. */
const perAddress = { perHour: 20_000, perMinute: 1_000 };
/** How many look-ups of unknown tokens the database is asked at once, and how many requests wait for that. */
const atOnce = 2;
const mostWaiting = 200;
/** How long a token that was nobody's is taken for such, ms. Tokens are random: none is made that was tried before. */
const nobodysMs = 30_000;
/** Keys remembered of each sort, about 100 bytes each. */
const mostKeys = 10_000;

export interface Strangers {
  /**
   * Looks up whose token has this key, by `look`, which answers undefined where it is nobody's. A token that was good
   * before is looked up at once; of others only so many are at a time, and from an address.
   * @throws ApiError 401 where it is nobody's, 429 where too many unknown tokens come
   */
  lookUp<Found>(key: string, address: string, look: () => Promise<Found | undefined>): Promise<Found>;
}

/** Keeps requests with tokens that nobody has from taking the database's connections. */
export function strangers({ clock }: { clock: Clock }): Strangers {
  const regulars = recentKeys<true>();
  const nobodys = recentKeys<number>();
  const attempts = rateLimit({ ...perAddress, clock });
  const lookUps = semaphore();
  // Requests with the same token wait for one answer.
  const looking = new Map<string, Promise<unknown>>();

  async function found<Found>(key: string, look: () => Promise<Found | undefined>): Promise<Found> {
    const owner = await look();
    if (owner === undefined) {
      regulars.delete(key);
      nobodys.set(key, clock.now().getTime() + nobodysMs);
      throw new ApiError('unauthorized');
    }
    regulars.set(key, true);
    return owner;
  }

  return {
    async lookUp<Found>(key: string, address: string, look: () => Promise<Found | undefined>) {
      if ((nobodys.get(key) ?? 0) > clock.now().getTime()) throw new ApiError('unauthorized');
      if (regulars.get(key)) return found(key, look);
      const underWay = looking.get(key) as Promise<Found> | undefined;
      if (underWay) return underWay;
      const { retryAfter } = attempts.take(networkOf(address));
      if (retryAfter !== undefined) throw tooMany(retryAfter);
      const looked = lookUps.run(() => found(key, look)).finally(() => looking.delete(key));
      looking.set(key, looked);
      return looked;
    },
  };
}

const tooMany = (retryAfter: number): ApiError =>
  new ApiError(
    'too_many_requests',
    `Too many requests with unknown tokens come from your address. Try again in ${retryAfter} s.`,
    { retryAfter },
  );

/** Whom an address stands for: of IPv6 each has a /64 at least. */
function networkOf(address: string): string {
  const [mapped] = /\d+\.\d+\.\d+\.\d+$/.exec(address) ?? [];
  return mapped ?? address.split(':').slice(0, 4).join(':');
}

/** The keys that were set last, at most `mostKeys`. */
function recentKeys<Value>() {
  const values = new Map<string, Value>();
  return {
    get: (key: string) => values.get(key),
    delete: (key: string) => values.delete(key),
    set(key: string, value: Value) {
      values.delete(key);
      values.set(key, value);
      const [first] = values.keys();
      if (values.size > mostKeys && first !== undefined) values.delete(first);
    },
  };
}

/** A semaphore: runs `atOnce` tasks at a time; at most `mostWaiting` wait, in the order in which they came. */
function semaphore() {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run<Result>(task: () => Promise<Result>): Promise<Result> {
      if (running < atOnce) running++;
      else if (waiting.length >= mostWaiting) throw tooMany(1);
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await task();
      } finally {
        const next = waiting.shift();
        // Its place goes to the next one.
        if (next) next();
        else running--;
      }
    },
  };
}
