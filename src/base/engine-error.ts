/**
 * Why an engine could not do a step. The control loop decides by `kind` alone:
 * - `unavailable`: the engine does not answer or is shutting down; wait and try again, for an hour.
 * - `busy`: something else holds the object; wait and try again, for ten minutes.
 * - `exhausted`: no room (disk, memory, addresses); the step will not work until somebody makes room.
 * - `missing`: something that had been made is not there; it comes back when somebody brings it back, and is never
 *   made anew.
 * - `rejected`: the engine refuses the request for good; trying again cannot help.
 * - `failed`: anything else; worth a few more tries.
 */
export type EngineErrorKind = 'unavailable' | 'busy' | 'exhausted' | 'missing' | 'rejected' | 'failed';

/** An engine's refusal or failure. `message` goes to the log, never to a client. */
export class EngineError extends Error {
  readonly kind: EngineErrorKind;
  /** How long this may be waited for, ms, where that differs from what its kind says (../control/waits.ts). */
  readonly patienceMs: number | undefined;
  constructor(kind: EngineErrorKind, message: string, options?: ErrorOptions & { patienceMs?: number }) {
    super(message, options);
    this.name = 'EngineError';
    this.kind = kind;
    this.patienceMs = options?.patienceMs;
  }
}
