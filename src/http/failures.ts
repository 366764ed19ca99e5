import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { KeyFileError } from '../store/key-file.ts';
import { ApiError, notFound } from './errors.ts';

/** The body of every error answer. */
export const errorBody = (error: ApiError, requestId: string) => ({
  id: error.id,
  message: error.message,
  request_id: requestId,
});

/**
 * The general 404 in the words of what a path is about: DigitalOcean's for droplets differ from all others', and
 * scripts look for them.
 */
export function worded(error: ApiError, url: string): ApiError {
  if (error.message !== notFound().message || !/^\/v2\/droplets([/?]|$)/.test(url)) return error;
  return notFound('The resource you were accessing could not be found.');
}

/** 413 for a body of more than `limit` bytes. */
export const tooLarge = (limit: number): ApiError =>
  new ApiError(
    'request_entity_too_large',
    `The request body is larger than ${limit} bytes, the most taken here.`,
  );

/**
 * The answer to whatever a request ended with: an ApiError as it is, all else by what it means to the client.
 * @param bodyLimit of the request's body, bytes
 */
export function toApiError(error: unknown, bodyLimit: number): ApiError {
  if (error instanceof ApiError) return error;
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: unknown; message?: unknown };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge(bodyLimit);
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return new ApiError('bad_request', 'The request body is not valid JSON.');
  }
  // What Fastify refuses by itself; its texts are made for clients.
  if (typeof code === 'string' && code.startsWith('FST_') && isClientError(statusCode)) {
    return new ApiError('bad_request', String(message));
  }
  // Both come back without the client's doing.
  if (isDatabaseAway(code, message) || error instanceof KeyFileError)
    return new ApiError('service_unavailable');
  return new ApiError('server_error');
}

const isClientError = (status: unknown) => typeof status === 'number' && status >= 400 && status < 500;

/** Where PostgreSQL is not there: the socket's own errors, and the SQLSTATEs of shutting down, starting and "full". */
const away = /^(ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT|57P0[123]|08...|53300)$/;
/** `pg` gives these no code. */
const awayMessage =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection)/;

function isDatabaseAway(code: unknown, message: unknown): boolean {
  if (typeof code === 'string') return away.test(code);
  return typeof message === 'string' && awayMessage.test(message);
}

/** Answers what is not HTTP, or came too slowly or with too large headers, and ends the connection. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket, requestId: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const body = JSON.stringify({
    id: 'bad_request',
    message: `${STATUS_CODES[status]}.`,
    request_id: requestId,
  });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
