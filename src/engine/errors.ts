/**
 * Why an engine could not do a step. The control loop decides by `kind` alone:
 * - `unavailable`: the engine does not answer or is shutting down; wait and try again, however long it takes.
 * - `busy`: something else holds the object; try again soon.
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
  constructor(kind: EngineErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.kind = kind;
  }
}
