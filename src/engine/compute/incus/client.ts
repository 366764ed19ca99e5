import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { EngineError } from '../../errors.ts';
import { incusError, isNotFound, transportError } from './errors.ts';

/** How long Incus may take to answer a request that starts no operation, in ms. */
const answerTimeoutMs = 30_000;
/** How long an operation may take, in ms: an image's first unpacking on a slow disk takes minutes. */
const operationTimeoutMs = 600_000;

export interface IncusRequest {
  /** A JSON body, or a stream or bytes sent as they are with `content-type: application/octet-stream`. */
  body?: unknown;
  headers?: Record<string, string>;
  /** How long the answer may take; for an operation, how long it may run. In ms. */
  timeoutMs?: number;
}

export interface IncusClient {
  readonly socketPath: string;
  /**
   * Sends a request; where Incus starts an operation, waits for its end. Answers the `metadata` of the reply
   * (of a finished operation: the operation's own metadata). Throws EngineError; `isNotFound` tells a 404.
   */
  request<T = unknown>(method: Method, path: string, options?: IncusRequest): Promise<T>;
  /** GET; undefined where there is no such object. */
  find<T>(path: string): Promise<T | undefined>;
  close(): Promise<void>;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface Reply<T> {
  type: 'sync' | 'async' | 'error';
  operation?: string;
  error?: string;
  metadata: T;
}

interface Operation<T> {
  status_code: number;
  err: string;
  metadata: T;
}

/** A client of the Incus REST API (1.0) over its unix socket. */
export function incusClient({ socketPath }: { socketPath: string }): IncusClient {
  const pool = new Pool('http://incus', { socketPath, connectTimeout: 5_000 });

  async function exchange<T>(
    method: Method,
    path: string,
    { body, headers, timeoutMs }: IncusRequest & { timeoutMs: number },
  ): Promise<Reply<T>> {
    const raw = isRaw(body);
    const doing = `${method} ${path}`;
    let status: number;
    let text: string;
    try {
      const response = await pool.request({
        method,
        path,
        headers: { 'content-type': raw ? 'application/octet-stream' : 'application/json', ...headers },
        body: body === undefined ? null : raw ? body : JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      status = response.statusCode;
      text = await response.body.text();
    } catch (error) {
      throw transportError(doing, error);
    }
    let reply: Reply<T>;
    try {
      reply = JSON.parse(text);
    } catch {
      throw incusError(doing, { status, text: `answer is not JSON: ${text.slice(0, 200)}` });
    }
    if (reply.type === 'error') throw incusError(doing, { status, text: reply.error ?? 'no text' });
    return reply;
  }

  /** Waits for the end of an operation that `doing` has started. */
  async function wait<T>(doing: string, operation: string, timeoutMs: number): Promise<T> {
    const path = `${operation}/wait?timeout=${Math.ceil(timeoutMs / 1000)}`;
    const reply = await exchange<Operation<T>>('GET', path, { timeoutMs: timeoutMs + answerTimeoutMs });
    const { status_code: code, err, metadata } = reply.metadata;
    if (code === 200) return metadata;
    if (code < 200) throw new EngineError('busy', `incus ${doing}: still under way after ${timeoutMs} ms`);
    throw incusError(doing, { text: err });
  }

  async function request<T = unknown>(method: Method, path: string, options: IncusRequest = {}): Promise<T> {
    // A stream may take as long to send as an operation to run.
    const slow = options.timeoutMs ?? operationTimeoutMs;
    const timeoutMs = isRaw(options.body) ? slow : Math.min(slow, answerTimeoutMs);
    const reply = await exchange<T>(method, path, { ...options, timeoutMs });
    if (reply.type !== 'async' || !reply.operation) return reply.metadata;
    return wait<T>(`${method} ${path}`, reply.operation, slow);
  }

  return {
    socketPath,
    request,
    async find<T>(path: string) {
      try {
        return await request<T>('GET', path);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    close: () => pool.destroy(),
  };
}

/** Bytes or a stream, which are sent as they are. */
function isRaw(body: unknown): body is Buffer | Readable {
  return Buffer.isBuffer(body) || (typeof body === 'object' && body !== null && 'pipe' in body);
}
