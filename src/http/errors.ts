/**
 * Every error a client can meet: DigitalOcean's id, the status, and the usual message.
 * Nothing retryable (429, 500, 503) stands for what a retry cannot mend: godo repeats those for a minute.
 */
const table = {
  bad_request: [400, 'The request is malformed.'],
  unauthorized: [401, 'Unable to authenticate you.'],
  forbidden: [403, 'You are not authorized to perform this operation.'],
  not_found: [404, 'The resource you requested could not be found.'],
  method_not_allowed: [405, 'This method is not allowed here.'],
  conflict: [409, 'The request conflicts with the current state of the resource.'],
  precondition_failed: [412, 'A precondition of the request is not met.'],
  request_entity_too_large: [413, 'The request is larger than this API accepts.'],
  unsupported_media_type: [415, 'The request body must be JSON.'],
  unprocessable_entity: [422, 'The request could not be processed.'],
  upgrade_required: [
    426,
    'This operation is a WebSocket: ask for one, by GET with the header upgrade: websocket.',
  ],
  too_many_requests: [429, 'API rate limit exceeded.'],
  server_error: [500, 'Unexpected server-side error'],
  not_implemented: [
    501,
    'This operation is part of the DigitalOcean API, but this Atoll does not have it yet.',
  ],
  service_unavailable: [503, 'The service is shutting down or starting. Try again in a moment.'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type ApiErrorId = keyof typeof table;

/** An answer to the client in DigitalOcean's error shape. `message` is for the client; keep secrets out of it. */
export class ApiError extends Error {
  readonly id: ApiErrorId;
  readonly status: number;
  /** Seconds until a retry has a chance: the header `retry-after`. */
  readonly retryAfter: number | undefined;
  constructor(id: ApiErrorId, message?: string, { retryAfter }: { retryAfter?: number } = {}) {
    super(message ?? table[id][1]);
    this.name = 'ApiError';
    this.id = id;
    this.status = table[id][0];
    this.retryAfter = retryAfter;
  }
}

export const notFound = (message?: string): ApiError => new ApiError('not_found', message);

/** 422 about one field: `field` as the client wrote it, `problem` continues the sentence and names the remedy. */
export const invalid = (field: string, problem: string): ApiError =>
  new ApiError('unprocessable_entity', `${field} ${problem}`);

/** A value from a request in a message about it, cut where it is long. */
export const quoted = (value: string): string =>
  `'${value.length > 100 ? `${value.slice(0, 100)}…` : value}'`;

export const unprocessable = (message: string): ApiError => new ApiError('unprocessable_entity', message);
export const conflict = (message: string): ApiError => new ApiError('conflict', message);
