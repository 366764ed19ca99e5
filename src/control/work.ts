/** One run of a claimed resource's reconciler, and what is to be written of it. */

import type { Clock } from '../base/clock.ts';
import { EngineError } from '../base/engine-error.ts';
import type { Log } from '../base/log.ts';
import type { Ending } from './claims.ts';
import { GivenBack, Interrupted, type Outcome, type Reconciler, type Run } from './run.ts';
import type { Held, Runs } from './runs.ts';
import { backoffMs, isOverdue, type Waited, waitMs, waitOf } from './waits.ts';

export interface WorkOptions {
  held: Held;
  reconciler: Reconciler;
  runs: Runs;
  clock: Clock;
  log: Log;
  random: () => number;
  /** Aborts when the process is to stop. */
  ended: AbortSignal;
  /** The run has left its slot of the quick lane. */
  moved(): void;
}

/** Never throws. */
export async function work(options: WorkOptions): Promise<Ending> {
  const { held, reconciler, runs, clock, ended, moved } = options;
  const { id, attempts, waitingFor, waitingSince } = held.claim;
  const waited = waitingFor !== null && waitingSince ? { for: waitingFor, since: waitingSince } : undefined;
  const run: Run = {
    attempts,
    overdue: (error) => isOverdue(error, waited, clock.now()),
    signal: AbortSignal.any([ended, held.lost.signal]),
    observing() {
      held.outdated = false;
    },
    slow() {
      const before = held.lane;
      runs.moveToSlow(held);
      if (held.lane !== before) moved();
    },
  };
  try {
    return endingOf((await reconciler.reconcile(id, run)) ?? {});
  } catch (error) {
    return endingOfError(options, waited, error);
  }
}

const endingOf = ({ again, forget }: Outcome): Ending =>
  forget ? { how: 'forgotten' } : { how: 'finished', ...(again && { again }) };

function endingOfError(
  { held, clock, log, random, ended }: WorkOptions,
  waited: Waited | undefined,
  error: unknown,
): Ending {
  const { kind, id, attempts, waits } = held.claim;
  const now = clock.now();
  const fields = { kind, id, attempts, error: (error as Error).message };
  if (error instanceof Interrupted) {
    log.debug(fields, 'a run was interrupted');
    return { how: 'given back', lane: error instanceof GivenBack ? 'slow' : 'own' };
  }
  const wait = waitOf(error, waited, now);
  if (!wait) {
    log.warn(fields, 'reconcile failed, will try again');
    return { how: 'failed', error: fields.error, due: later(now, backoffMs(attempts, random)) };
  }
  // Once, when it begins to be too long: whoever waits for an action has been told by its end.
  const overdue = wait.until <= now;
  const level = overdue && !ended.aborted ? 'warn' : 'debug';
  log[level]({ ...fields, since: wait.since, until: wait.until }, overdue ? 'waits for too long' : 'waits');
  const away = error instanceof EngineError && error.kind === 'unavailable';
  const pause = away ? backoffMs(waits, random) : waitMs(waits, random);
  return { how: 'waiting', ...wait, due: later(now, pause) };
}

const later = (now: Date, ms: number): Date => new Date(now.getTime() + ms);
