import { describe, expect, it } from 'vitest';
import { drivenClock } from '../base/clock.ts';
import { rateLimit } from './rate-limit.ts';

const take = (limit: ReturnType<typeof rateLimit>, times: number, token = 'a') =>
  Array.from({ length: times }, () => limit.take(token)).at(-1);

describe('rateLimit', () => {
  it('counts down within the hour', () => {
    const clock = drivenClock();
    const limit = rateLimit({ perHour: 5000, perMinute: 250, clock });
    expect(limit.take('a')).toMatchObject({ limit: 5000, remaining: 4999 });
    const state = limit.take('a');
    expect(state).toMatchObject({ remaining: 4998 });
    const inAnHour = clock.now().getTime() / 1000 + 3600;
    expect(state.reset).toBeGreaterThanOrEqual(inAnHour);
    expect(state.reset).toBeLessThanOrEqual(inAnHour + 60);
    expect(Number.isInteger(state.reset)).toBe(true);
  });

  it('refuses the request beyond the minute and says when the next is accepted', async () => {
    const clock = drivenClock();
    const limit = rateLimit({ perHour: 100, perMinute: 3, clock });
    expect(take(limit, 3)?.retryAfter).toBeUndefined();
    const { retryAfter = 0, remaining } = limit.take('a');
    expect(remaining).toBe(97);
    expect(retryAfter).toBeGreaterThanOrEqual(60);
    expect(retryAfter).toBeLessThanOrEqual(61);
    await clock.advance(retryAfter * 1000);
    expect(limit.take('a').retryAfter).toBeUndefined();
  });

  it('lets each request age out by itself', async () => {
    const clock = drivenClock();
    const limit = rateLimit({ perHour: 100, perMinute: 2, clock });
    limit.take('a');
    await clock.advance(30_000);
    limit.take('a');
    await clock.advance(31_000);
    expect(limit.take('a').retryAfter).toBeUndefined();
    expect(limit.take('a').retryAfter).toBeLessThanOrEqual(30);
  });

  it('never accepts more than the limit within any window', async () => {
    const clock = drivenClock();
    const limit = rateLimit({ perHour: 1000, perMinute: 10, clock });
    const accepted: number[] = [];
    for (let i = 0; i < 600; i++) {
      if (limit.take('a').retryAfter === undefined) accepted.push(clock.now().getTime());
      await clock.advance(700);
    }
    for (const at of accepted) {
      const within = accepted.filter((other) => other >= at && other < at + 60_000);
      expect(within.length).toBeLessThanOrEqual(10);
    }
    expect(accepted.length).toBeGreaterThan(60);
  });

  it('forgets an hour that has passed', async () => {
    const clock = drivenClock();
    const limit = rateLimit({ perHour: 2, perMinute: 10, clock });
    take(limit, 2);
    expect(limit.take('a')).toMatchObject({ remaining: 0 });
    await clock.advance(2 * 3_600_000);
    expect(limit.take('a')).toMatchObject({ remaining: 1 });
  });

  it('counts each token by itself', () => {
    const limit = rateLimit({ perHour: 10, perMinute: 1, clock: drivenClock() });
    limit.take('a');
    expect(limit.take('b').retryAfter).toBeUndefined();
  });
});
