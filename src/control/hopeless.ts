import { EngineError } from '../base/engine-error.ts';
import { Interrupted, type Run } from './run.ts';

/** An error of unknown kind is tried this often before it is taken for final. */
const tries = 5;

/** What to tell a person about the two kinds of error that depend on what was tried. */
export interface Explanations {
  exhausted: string;
  rejected: string;
}

/** Trying again cannot help. Its message is for a person: nothing of an engine's own words is in it. */
export class Hopeless extends EngineError {
  constructor(message: string) {
    super('rejected', message);
  }
}

/** What a person is told of an action that needs bytes which are not there. */
export const whyMissing =
  'Bytes that this needs are missing on the host. The operator finds which in ./atoll logs, and what to do in ./atoll doctor.';

/**
 * Why trying again cannot help, for a person; undefined where it may. What the engine said stays in the log. A wait
 * that has been too long cannot help either: see waits.ts.
 */
export function hopeless(
  error: unknown,
  run: Pick<Run, 'attempts' | 'overdue'>,
  why: Explanations,
): string | undefined {
  if (error instanceof Interrupted) return undefined;
  if (error instanceof Hopeless) return error.message;
  const kind = error instanceof EngineError ? error.kind : 'failed';
  switch (kind) {
    case 'exhausted':
    case 'rejected':
      return why[kind];
    case 'missing':
      return whyMissing;
    case 'failed':
      return run.attempts + 1 < tries
        ? undefined
        : 'This failed repeatedly. The operator finds the reason in: ./atoll logs';
    case 'unavailable':
      return run.overdue(error)
        ? 'The engine did not answer for too long, and this was given up. Try again once it is back; the operator finds more in: ./atoll status'
        : undefined;
    case 'busy':
      return run.overdue(error)
        ? 'Something else kept this in use for too long, and this was given up. Try again later; the operator finds more in: ./atoll logs'
        : undefined;
  }
}
