/** What a reconciler and the loop say to each other. */
import type { Lane } from './claims.ts';

/** What became of a run that did not throw. */
export interface Outcome {
  /** Look again at this time though nobody asks. */
  again?: Date;
  /** Nothing is left to reconcile, ever. */
  forget?: boolean;
}

export interface Reconciler {
  kind: string;
  /**
   * Where its runs begin. `quick`: power, addresses, rows: what takes seconds. `slow`: what copies, fetches or waits by
   * its nature. A quick run that comes to a slow step says so by `Run.slow`.
   */
  lane: Lane;
  /** How many of its runs a process may have at once; absent: as many as its lane has slots. */
  most?: number;
  /** How many of its runs a process may have in the slow lane at once. */
  mostSlow?: number;
  /**
   * Brings one resource to what is wanted. Never runs twice at once for one id. Throws to be tried again later,
   * with growing pauses.
   */
  reconcile(id: string, run: Run): Promise<Outcome | void>;
}

export interface Run {
  /** Failed runs in a row before this one. */
  attempts: number;
  /** Whether what an engine's error asks to wait for has been waited for long enough. */
  overdue(error: unknown): boolean;
  /** Aborts when the claim is lost, and when the process is to stop: nothing more is to be begun then. */
  signal: AbortSignal;
  /**
   * To be called before the world is observed: nudges that came until then (`ControlLoop.nudge`), mostly of this run's own
   * doing, need no other run.
   */
  observing(): void;
  /**
   * To be called before a step that may take long. The run moves to the slow lane, if that has room: its slot of the
   * quick lane is free then. Else it throws: the run ends there and begins anew in the slow lane, when there is room.
   * @throws Interrupted, which is to be let through
   */
  slow(): void;
}

/** Why a run ends that is to end by no fault of its own. To be let through by whoever catches errors of steps. */
export class Interrupted extends Error {
  override readonly name: string = 'Interrupted';
}

/** Somebody else may work on the resource by now: nothing more may be done to it, and nothing written about it. */
export class ClaimLost extends Interrupted {
  override readonly name = 'ClaimLost';
}

/** The run goes on in the slow lane, when there is room. */
export class GivenBack extends Interrupted {
  override readonly name = 'GivenBack';
}
