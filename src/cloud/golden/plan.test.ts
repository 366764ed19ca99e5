import { describe, expect, test } from 'vitest';
import type { Built } from '../../engine/builder/port.ts';
import {
  checkMs,
  type GoldenRow,
  isWanted,
  keptMs,
  type ObservedGolden,
  planGolden,
  retryMs,
} from './plan.ts';

const now = new Date('2026-03-01T12:00:00Z');
const ago = (ms: number) => new Date(now.getTime() - ms);
const later = (ms: number) => new Date(now.getTime() + ms);
const hour = 3_600_000;

const row = (changes: Partial<GoldenRow> = {}): GoldenRow => ({
  name: 'edge',
  asked: false,
  used_at: ago(hour),
  phase: 'waiting',
  message: '',
  since: ago(hour),
  tries: 0,
  retry_at: null,
  digest: null,
  wanted: null,
  build: null,
  built_at: null,
  bytes: null,
  outdated: null,
  checked_at: null,
  ...changes,
});
const built = (digest = 'b1'): Built & { state: 'ready' } => ({
  state: 'ready',
  digest,
  file: `/cache/${digest}`,
  bytes: 1,
  builtAt: ago(hour),
});
const seen = (changes: Partial<ObservedGolden> = {}): ObservedGolden => ({
  build: { state: 'absent' },
  target: undefined,
  held: [],
  ...changes,
});
/** In place since an hour ago. */
const inPlace = row({ phase: 'ready', digest: 't1', wanted: 't1', build: 'b1', checked_at: ago(hour) });
const t1 = seen({ build: built(), target: 't1', held: ['t1'] });

describe('an image that is wanted', () => {
  test('is built, waited for by the half hour, put into the engine, and then there', () => {
    expect(planGolden(row(), seen(), now)).toEqual({ steps: [{ do: 'build' }] });
    const building = seen({ build: { state: 'building', step: 'installing packages' } });
    expect(planGolden(row(), building, now)).toEqual({
      steps: [{ do: 'note', step: 'installing packages' }],
    });
    const noted = row({ phase: 'building', message: 'installing packages' });
    expect(planGolden(noted, building, now)).toEqual({
      wait: 'the image edge is being built: installing packages',
      patienceMs: 30 * 60_000,
    });
    const done = seen({ build: built(), target: 't1' });
    expect(planGolden(noted, done, now)).toEqual({ steps: [{ do: 'unpack', build: built(), digest: 't1' }] });
    const unpacked = row({ phase: 'unpacking', wanted: 't1' });
    expect(planGolden(unpacked, t1, now)).toEqual({
      settled: { ready: true, build: built(), digest: 't1', again: later(keptMs - hour) },
    });
    expect(planGolden(inPlace, t1, now)).toMatchObject({ settled: { ready: true } });
  });

  test('is put into the engine again where it has lost it, and where this home adds something else', () => {
    const lost = seen({ build: built(), target: 't1' });
    expect(planGolden(inPlace, lost, now)).toEqual({
      steps: [{ do: 'unpack', build: built(), digest: 't1' }],
    });
    const others = seen({ build: built(), target: 't2', held: ['t1'] });
    expect(planGolden(inPlace, others, now)).toEqual({
      steps: [{ do: 'unpack', build: built(), digest: 't2' }],
    });
  });

  test('replaces the one of before, which goes only when the new one is in place', () => {
    const both = seen({ build: built('b2'), target: 't2', held: ['t1', 't2'] });
    const unpacked = row({ ...inPlace, phase: 'unpacking', wanted: 't2' });
    expect(planGolden(unpacked, both, now)).toMatchObject({ settled: { digest: 't2', again: now } });
    const settled = row({ ...inPlace, digest: 't2', wanted: 't2', build: 'b2' });
    expect(planGolden(settled, both, now)).toEqual({ steps: [{ do: 'remove', digests: ['t1'] }] });
  });
});

describe('a build that fails', () => {
  const failure = seen({ build: { state: 'failed', message: 'E: no such package' } });

  test('is left alone until its time, and tried again then', () => {
    expect(planGolden(row({ phase: 'building', tries: 1 }), failure, now)).toEqual({
      settled: { failed: 'E: no such package', again: later(retryMs(2)) },
    });
    const failed = row({ phase: 'failed', retry_at: later(hour) });
    expect(planGolden(failed, failure, now)).toEqual({ settled: { failedBefore: true, again: later(hour) } });
    expect(planGolden({ ...failed, retry_at: now }, failure, now)).toEqual({ steps: [{ do: 'build' }] });
  });

  test('is tried at once where something needs the image anew', () => {
    expect(planGolden(row({ phase: 'waiting', retry_at: later(hour) }), failure, now)).toEqual({
      steps: [{ do: 'build' }],
    });
  });

  test('is tried with pauses that grow from a minute to six hours', () => {
    expect([1, 2, 3, 9, 10, 40].map((tries) => retryMs(tries) / 60_000)).toEqual([1, 2, 4, 256, 360, 360]);
  });
});

describe('newer packages', () => {
  test('are looked for a week after the last look, and the old build is replaced', () => {
    expect(planGolden({ ...inPlace, checked_at: ago(checkMs) }, t1, now)).toEqual({
      steps: [{ do: 'check', build: 'b1' }],
    });
    const outdated = { ...inPlace, outdated: 'b1' };
    expect(planGolden(outdated, t1, now)).toEqual({ steps: [{ do: 'build', instead: 'b1' }] });
    const failure = seen({ ...t1, build: { state: 'failed', message: 'away' }, target: undefined });
    expect(planGolden({ ...outdated, phase: 'failed', retry_at: now }, failure, now)).toEqual({
      steps: [{ do: 'build', instead: 'b1' }],
    });
    const newer = seen({ build: built('b2'), target: 't2', held: ['t1'] });
    expect(planGolden(outdated, newer, now)).toMatchObject({ steps: [{ do: 'unpack', digest: 't2' }] });
  });

  test('that no build takes are no reason to build again and again', () => {
    const begun = { ...inPlace, outdated: 'b1', phase: 'building', since: ago(hour) };
    const same = { ...built(), builtAt: ago(hour / 2) };
    expect(planGolden(begun, { ...t1, build: same }, now)).toMatchObject({ settled: { ready: true } });
    // The builder has forgotten what it was at.
    const earlier = { ...built(), builtAt: ago(2 * hour) };
    expect(planGolden(begun, { ...t1, build: earlier }, now)).toEqual({
      steps: [{ do: 'build', instead: 'b1' }],
    });
  });

  test('are looked for while it is asked for, though nothing needs it', () => {
    const asked = { ...inPlace, asked: true, used_at: null };
    expect(planGolden(asked, t1, now)).toMatchObject({ settled: { again: later(checkMs - hour) } });
  });
});

describe('an image that nothing has needed for a week', () => {
  const unused = { ...inPlace, used_at: ago(keptMs) };

  test('goes, unless somebody asked for it', () => {
    expect(isWanted(unused, now)).toBe(false);
    expect(isWanted({ ...unused, asked: true }, now)).toBe(true);
    expect(planGolden(unused, seen({ ...t1, build: undefined }), now)).toEqual({
      steps: [{ do: 'remove', digests: ['t1'] }],
    });
    expect(planGolden(unused, seen({ build: undefined }), now)).toEqual({ settled: { unused: true } });
  });

  test('is looked at when that week is over', () => {
    expect(planGolden({ ...inPlace, used_at: ago(keptMs - 1000) }, t1, now)).toMatchObject({
      settled: { again: later(1000) },
    });
  });
});
