import { EngineError } from '../engine/errors.ts';

/** An error of unknown kind is tried this often before it is taken for final. */
const tries = 5;

/** What to tell a person about the two kinds of error that depend on what was tried. */
export interface Explanations {
  exhausted: string;
  rejected: string;
}

const missing =
  'Bytes that this needs are missing on the host. The operator finds which in ./atoll logs, and what to do in ./atoll doctor.';

/**
 * Why trying again cannot help, for a person; undefined where it may. What the engine said stays in the log.
 * `attempts`: failed runs in a row before this one.
 */
export function hopeless(error: unknown, attempts: number, why: Explanations): string | undefined {
  const kind = error instanceof EngineError ? error.kind : 'failed';
  switch (kind) {
    case 'exhausted':
    case 'rejected':
      return why[kind];
    case 'missing':
      return missing;
    case 'failed':
      return attempts + 1 < tries
        ? undefined
        : 'This failed repeatedly. The operator finds the reason in: ./atoll logs';
    case 'unavailable':
    case 'busy':
      return undefined;
  }
}
