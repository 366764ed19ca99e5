/** How long to wait before another try, and when a wait has been too long. */
import { EngineError } from '../base/engine-error.ts';

/** What a wait is for where an engine made it necessary. */
export type WaitKind = 'unavailable' | 'busy';

/**
 * When a wait for an engine is over, ms after it began: an engine that is away may be restarted or mended, which
 * harms nothing for an hour; a thing that something else holds is mostly free within seconds, and after ten minutes
 * whatever holds it will not let go by itself.
 */
export const patienceMs: Record<WaitKind, number> = { unavailable: 3_600_000, busy: 600_000 };

/** A wait that has lasted over several runs. */
export interface Waited {
  for: string;
  since: Date;
}

/** The wait that an error stands for, or undefined where something has failed. */
export function waitOf(
  error: unknown,
  before: Waited | undefined,
  now: Date,
): (Waited & { until: Date }) | undefined {
  const kind = waitKind(error);
  if (!kind) return undefined;
  const reason = `${kind}: ${(error as EngineError).message}`;
  const since = waitedFor(kind, before) ?? now;
  return { for: reason, since, until: new Date(since.getTime() + patience(error as EngineError)) };
}

/** Whether what an error stands for has been waited for long enough. */
export function isOverdue(error: unknown, before: Waited | undefined, now: Date): boolean {
  const kind = waitKind(error);
  const since = kind && waitedFor(kind, before);
  return since !== undefined && now.getTime() - since.getTime() >= patience(error as EngineError);
}

const patience = (error: EngineError): number =>
  error.patienceMs ?? (error.kind === 'busy' ? patienceMs.busy : patienceMs.unavailable);

const waitKind = (error: unknown): WaitKind | undefined =>
  error instanceof EngineError && (error.kind === 'unavailable' || error.kind === 'busy')
    ? error.kind
    : undefined;

/** An engine that has come back and is busy then is another wait. */
const waitedFor = (kind: WaitKind, before: Waited | undefined): Date | undefined =>
  before?.for.startsWith(`${kind}: `) ? before.since : undefined;

/** How long to wait before try number `attempts` + 1 of what fails, ms: 0.25 s doubling to 30 s, ± 20 %. */
export const backoffMs = (attempts: number, random: () => number): number =>
  Math.min(250 * 2 ** Math.min(attempts, 20), 30_000) * (0.8 + 0.4 * random());

/** How long to wait before looking again at what has been waited for so many times, ms: 0.2 s growing by half to 5 s. */
export const waitMs = (waits: number, random: () => number): number =>
  Math.min(200 * 1.5 ** Math.min(waits, 20), 5_000) * (0.8 + 0.4 * random());
