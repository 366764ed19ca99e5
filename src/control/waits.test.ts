import { expect, it } from 'vitest';
import { EngineError } from '../base/engine-error.ts';
import { backoffMs, isOverdue, patienceMs, waitMs, waitOf } from './waits.ts';

const now = new Date('2026-01-01T12:00:00Z');
const before = (ms: number) => new Date(now.getTime() - ms);
const away = new EngineError('unavailable', 'refused');
const held = new EngineError('busy', 'held');

it('a wait goes on with the same kind of reason, and begins anew with another', () => {
  const since = before(60_000);
  expect(waitOf(away, { for: 'unavailable: timed out', since }, now)).toEqual({
    for: 'unavailable: refused',
    since,
    until: new Date(since.getTime() + patienceMs.unavailable),
  });
  expect(waitOf(held, { for: 'unavailable: refused', since }, now)?.since).toEqual(now);
  expect(waitOf(new EngineError('failed', 'no'), undefined, now)).toBeUndefined();
  expect(waitOf(new Error('no'), undefined, now)).toBeUndefined();
});

it('an engine is waited for longer than what is in use, and a copy for as long as it says', () => {
  const waited = (error: EngineError, ms: number) =>
    isOverdue(error, { for: `${error.kind}: before`, since: before(ms) }, now);
  expect([waited(held, 599_000), waited(held, 600_000)]).toEqual([false, true]);
  expect([waited(away, 3_599_000), waited(away, 3_600_000)]).toEqual([false, true]);
  const copied = new EngineError('busy', 'copied', { patienceMs: 1_000 });
  expect([waited(copied, 999), waited(copied, 1_000)]).toEqual([false, true]);
  expect(isOverdue(held, undefined, now)).toBe(false);
});

it('pauses grow, up to 5 and 30 seconds', () => {
  const middle = () => 0.5;
  expect([0, 1, 2, 50].map((waits) => Math.round(waitMs(waits, middle)))).toEqual([200, 300, 450, 5_000]);
  expect([0, 1, 2, 50].map((attempts) => backoffMs(attempts, middle))).toEqual([250, 500, 1_000, 30_000]);
});
