/**
 * The one body of a reconciler: read the row, observe, plan, take the steps, observe again; then write down what is. What
 * differs from kind to kind are its parts, of which the plan is a pure function.
 */

import type { Clock } from '../base/clock.ts';
import { EngineError } from '../base/engine-error.ts';
import type { Log } from '../base/log.ts';
import { Interrupted, type Outcome, type Reconciler, type Run } from './run.ts';

/** What to do next about a resource. */
export type Plan<Step, End> =
  /** Take these, in order, and observe again. */
  | { steps: readonly Step[] }
  /** Something else has it, or must come first: try again soon. `patienceMs`: how long; absent: as for `busy`. */
  | { wait: string; patienceMs?: number }
  /** Nothing is to be done now. */
  | { settled: End };

/** The row changed since it was read: what was decided may be out of date, and is decided anew. */
export const changed = Symbol('changed');

export interface Parts<Row, Observed extends object, Step, End> extends Omit<Reconciler, 'reconcile'> {
  /** The desired state; undefined: nothing is left to do about it, ever. */
  row(id: string): Promise<Row | undefined>;
  /** What is there. Changes nothing. */
  observe(row: Row): Promise<Observed>;
  /** Pure: the same for the same arguments, and asks nobody. */
  plan(row: Row, observed: Observed, now: Date): Plan<Step, End>;
  /**
   * Takes one step, idempotent, through a port or in a transaction. What it answers counts as observed for the rest
   * of the run: for engines that cannot be asked cheaply whether something is as it should be.
   */
  take(step: Step, row: Row, observed: Observed, run: Run): Promise<Partial<Observed> | void>;
  /** Writes down what is. */
  settle(row: Row, end: End, observed: Observed): Promise<Outcome | typeof changed | void>;
  /** Why trying again cannot help, for a person; undefined where it may. See `hopeless`. */
  why?(error: unknown, run: Run): string | undefined;
  /**
   * Gives up what was asked for and puts back what can be: what it was ends with `reason`. False where nothing was asked
   * for that could be given up: it is tried again then, for ever.
   */
  giveUp?(row: Row, reason: string): Promise<boolean>;
}

/** Done around each step that is taken, before and after it: for tests, which kill the process there. */
export type AroundStep = (kind: string, step: unknown, take: () => Promise<unknown>) => Promise<unknown>;

export interface ConvergeDeps {
  clock: Clock;
  log: Log;
  aroundStep?: AroundStep;
}

/** Nothing needs more rounds than this; a plan that does is wrong, and the loop must not spin on it. */
const rounds = 16;

/** The reconciler of a kind, of its parts. */
export function converge<Row, Observed extends object, Step, End>(
  { clock, log, aroundStep }: ConvergeDeps,
  parts: Parts<Row, Observed, Step, End>,
): Reconciler {
  const { kind, lane, most, mostSlow } = parts;

  async function reconcile(id: string, run: Run): Promise<Outcome | void> {
    let known: Partial<Observed> = {};
    for (let round = 0; round < rounds; round++) {
      // Not a wait: that would be counted over the time in which no process is there.
      if (run.signal.aborted) throw new Interrupted(`${kind} ${id}: the run is to end`);
      const row = await parts.row(id);
      if (row === undefined) return { forget: true };
      let observed: Observed;
      let next: Plan<Step, End>;
      try {
        run.observing();
        observed = { ...(await parts.observe(row)), ...known };
        next = parts.plan(row, observed, clock.now());
        if ('wait' in next)
          throw new EngineError('busy', next.wait, next.patienceMs ? { patienceMs: next.patienceMs } : {});
        if ('steps' in next) {
          for (const step of next.steps) {
            const take = () => parts.take(step, row, { ...observed, ...known }, run);
            const answer = await (aroundStep ? aroundStep(kind, step, take) : take());
            known = { ...known, ...(answer as Partial<Observed> | undefined) };
          }
          continue;
        }
      } catch (error) {
        if (!(await gaveUp(id, row, run, error))) throw error;
        continue;
      }
      // Not in there: an error of the database says nothing about what was asked for.
      const outcome = await parts.settle(row, next.settled, observed);
      if (outcome !== changed) return outcome;
    }
    throw new EngineError('busy', `${kind} ${id} did not settle`);
  }

  async function gaveUp(id: string, row: Row, run: Run, error: unknown): Promise<boolean> {
    const reason = run.signal.aborted ? undefined : parts.why?.(error, run);
    if (reason === undefined || !(await parts.giveUp?.(row, reason))) return false;
    log.warn(
      { kind, id, error: (error as Error).message },
      'what was asked for cannot be done, and is given up',
    );
    return true;
  }

  return {
    kind,
    lane,
    ...(most !== undefined && { most }),
    ...(mostSlow !== undefined && { mostSlow }),
    reconcile,
  };
}
