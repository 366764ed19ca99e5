/** What to do next about a golden image: pure. */
import type { Selectable } from 'kysely';
import type { Plan } from '../../control/converge.ts';
import type { Build, Built } from '../../engine/builder/port.ts';
import type { GoldenImages } from '../../store/schema.ts';

export type GoldenRow = Selectable<GoldenImages>;

export interface ObservedGolden {
  /** What the builder has; undefined where that does not matter: the image is not wanted. */
  build: Build | undefined;
  /** What `build` becomes in this home, with what it adds; where one is ready. */
  target: string | undefined;
  /** The digests of what the engine has of it. */
  held: readonly string[];
}

export type GoldenStep =
  /** Begin to build; `instead` of one that is outdated. */
  | { do: 'build'; instead?: string }
  /** Write down what the build is busy with, for a person. */
  | { do: 'note'; step: string }
  /** Put it into the engine. */
  | { do: 'unpack'; build: Built; digest: string }
  /** Look whether the mirror has newer packages. */
  | { do: 'check'; build: string }
  /** Take out of the engine what has these digests. */
  | { do: 'remove'; digests: readonly string[] };

export type GoldenEnd =
  | { ready: true; build: Built; digest: string; again: Date }
  | { failed: string; again: Date }
  | { failedBefore: true; again: Date }
  | { unused: true };

/** How long an image is kept that nothing needs and nobody asked for, and how often its packages are looked at, ms. */
export const keptMs = 7 * 24 * 3_600_000;
export const checkMs = 7 * 24 * 3_600_000;
/** How long a build, with its place in line, may take, ms. */
export const patienceMs = 30 * 60_000;

/** How long to wait before another try after so many failures in a row, ms: a minute, doubling to six hours. */
export const retryMs = (tries: number): number =>
  Math.min(60_000 * 2 ** Math.max(0, tries - 1), 6 * 3_600_000);

const later = (at: Date, ms: number): Date => new Date(at.getTime() + ms);

/** Whether an image is to be kept, or made. */
export const isWanted = ({ asked, used_at }: Pick<GoldenRow, 'asked' | 'used_at'>, now: Date): boolean =>
  asked || (used_at !== null && later(used_at, keptMs) > now);

export function planGolden(
  row: GoldenRow,
  { build, target, held }: ObservedGolden,
  now: Date,
): Plan<GoldenStep, GoldenEnd> {
  if (!isWanted(row, now))
    return held.length > 0 ? { steps: [{ do: 'remove', digests: held }] } : { settled: { unused: true } };
  // A failure is left alone until its time, unless somebody needs the image anew: see needGolden.
  if (row.phase === 'failed' && row.retry_at && row.retry_at > now)
    return { settled: { failedBefore: true, again: row.retry_at } };
  const begin: GoldenStep = { do: 'build', ...(row.outdated !== null && { instead: row.outdated }) };
  if (build === undefined || build.state === 'absent') return { steps: [begin] };
  if (build.state === 'building')
    return row.phase === 'building' && row.message === build.step
      ? { wait: `the image ${row.name} is being built: ${build.step}`, patienceMs }
      : { steps: [{ do: 'note', step: build.step }] };
  if (build.state === 'failed')
    return row.phase === 'building'
      ? { settled: { failed: build.message, again: later(now, retryMs(row.tries + 1)) } }
      : { steps: [begin] };
  // One that was built since and is the same all the same: what APT would update, a build does not take.
  const anew = row.phase === 'building' && build.builtAt >= row.since;
  if (build.digest === row.outdated && !anew) return { steps: [begin] };
  if (target === undefined || !held.includes(target) || row.wanted !== target)
    return { steps: [{ do: 'unpack', build, digest: target ?? build.digest }] };
  const old = held.filter((digest) => digest !== target);
  const ready = { ready: true as const, build, digest: target };
  if (row.digest !== target)
    return {
      settled: { ...ready, again: old.length > 0 ? now : nextLook({ ...row, checked_at: now }, now) },
    };
  // Of what it was copied to nothing is missing when a copy goes: disks live on without what they were made of.
  if (old.length > 0) return { steps: [{ do: 'remove', digests: old }] };
  if (row.checked_at === null || later(row.checked_at, checkMs) <= now)
    return { steps: [{ do: 'check', build: build.digest }] };
  return { settled: { ...ready, again: nextLook(row, now) } };
}

/** When to look again: at the packages, or whether it is wanted still. */
function nextLook(
  { asked, used_at, checked_at }: Pick<GoldenRow, 'asked' | 'used_at' | 'checked_at'>,
  now: Date,
): Date {
  const check = later(checked_at ?? now, checkMs);
  const end = asked || used_at === null ? check : later(used_at, keptMs);
  return end < check ? end : check;
}
