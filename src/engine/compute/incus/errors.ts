import { EngineError, type EngineErrorKind } from '../../../base/engine-error.ts';

/** What Incus (or the way to it) said, as the `cause` of an `EngineError`. */
export interface IncusFailure {
  /** HTTP status; absent where an operation failed or no answer came. */
  status?: number;
  text: string;
}

/**
 * Incus answers most failures with status 500, and fails operations with code 400 whatever the reason, so that
 * the text decides. The first that matches wins.
 */
const texts: [RegExp, EngineErrorKind][] = [
  // The caller makes networks before machines: one that is not there yet, or no more, will be.
  [/network not found/i, 'failed'],
  [
    /^shutting down|is shutting down|server isn't ready|daemon is starting|missing event connection/i,
    'unavailable',
  ],
  // A daemon that has just started could not bring a bridge up: it tries again every minute.
  [/network .* unavailable on this server/i, 'unavailable'],
  [/instance is not running/i, 'failed'],
  [/\bbusy\b|already running|operation in progress|instance is running|currently in use/i, 'busy'],
  // A new bridge looks through the host's interfaces, and stumbles over one that goes at that moment.
  [/bridge children interfaces/i, 'busy'],
  [/no space left|quota|ENOSPC|cannot allocate memory|not enough (space|memory)/i, 'exhausted'],
  [
    /(image|alias)\b.*not found|not found.*\b(image|alias)\b|no matching image|image not provided/i,
    'missing',
  ],
  [/\binvalid (config|devices|CPU|value)\b/i, 'rejected'],
];

/** The kind of a failure that Incus described. */
export function failureKind({ status, text }: IncusFailure): EngineErrorKind {
  for (const [pattern, kind] of texts) if (pattern.test(text)) return kind;
  if (status === 503) return 'unavailable';
  if (status === 412) return 'busy';
  if (status === 400 || status === 401 || status === 403) return 'rejected';
  return 'failed';
}

/** A failure that Incus described, as the error that the control loop decides by. `doing` names the request. */
export function incusError(doing: string, failure: IncusFailure): EngineError {
  const status = failure.status === undefined ? '' : ` (${failure.status})`;
  return new EngineError(failureKind(failure), `incus ${doing}${status}: ${failure.text}`, {
    cause: failure,
  });
}

/** No answer came: refused, reset, timed out. The request may or may not have been carried out. */
export function transportError(doing: string, cause: unknown): EngineError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new EngineError('unavailable', `incus ${doing}: ${text}`, { cause });
}

/** Whether Incus said that the object of the request is not there. */
export function isNotFound(error: unknown): boolean {
  return failureOf(error)?.status === 404;
}

/** Whether Incus said something that matches `pattern`. */
export function says(error: unknown, pattern: RegExp): boolean {
  const failure = failureOf(error);
  return failure !== undefined && pattern.test(failure.text);
}

function failureOf(error: unknown): IncusFailure | undefined {
  return error instanceof EngineError && isFailure(error.cause) ? error.cause : undefined;
}

function isFailure(cause: unknown): cause is IncusFailure {
  return typeof cause === 'object' && cause !== null && 'text' in cause;
}
