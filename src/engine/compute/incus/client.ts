import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { EngineError } from '../../../base/engine-error.ts';
import { incusError, isNotFound, transportError } from './errors.ts';

/** How long Incus may take to answer a request that starts no operation, in ms. */
const answerTimeoutMs = 30_000;
/** How long an operation may take, in ms: an image's first unpacking on a slow disk takes minutes. */
const operationTimeoutMs = 600_000;
/** How long a text may be, in bytes: a machine's owner can make a file of any length. */
const textLimit = 4 * 1024 ** 2;

/** An operation has not ended in its time. */
export class Unfinished extends EngineError {}

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
  /**
   * Sends a request that starts an operation, and does not wait for it: for those that want something meanwhile.
   */
  begin(method: Method, path: string, options?: IncusRequest): Promise<Begun>;
  /** GET of something that is not JSON. Throws `failed` where it is longer than 4 MiB. */
  text(path: string): Promise<string>;
  /** GET; undefined where there is no such object. */
  find<T>(path: string): Promise<T | undefined>;
  close(): Promise<void>;
}

export interface Begun {
  /** The operation's URL. */
  operation: string;
  /** The secrets of its streams, by file descriptor. */
  fds: Record<string, string>;
  /** The operation's metadata at its end; throws where it fails. */
  end<E>(): Promise<E>;
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

  /** Sends a request and answers whatever comes. */
  async function send(
    method: Method,
    path: string,
    { body, headers, timeoutMs }: IncusRequest & { timeoutMs: number },
    most = Number.POSITIVE_INFINITY,
  ): Promise<{ status: number; text: string }> {
    const raw = isRaw(body);
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
      return { status: response.statusCode, text: await textOf(response.body, most) };
    } catch (error) {
      if (error instanceof TooLong)
        throw new EngineError('failed', `incus ${method} ${path}: ${error.message}`);
      throw transportError(`${method} ${path}`, error);
    }
  }

  async function exchange<T>(
    method: Method,
    path: string,
    options: IncusRequest & { timeoutMs: number },
  ): Promise<Reply<T>> {
    const doing = `${method} ${path}`;
    const { status, text } = await send(method, path, options);
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
    if (code < 200) throw new Unfinished('busy', `incus ${doing}: still under way after ${timeoutMs} ms`);
    throw incusError(doing, { text: err });
  }

  async function start<T>(method: Method, path: string, options: IncusRequest) {
    // A stream may take as long to send as an operation to run.
    const slow = options.timeoutMs ?? operationTimeoutMs;
    const timeoutMs = isRaw(options.body) ? slow : Math.min(slow, answerTimeoutMs);
    return { reply: await exchange<T>(method, path, { ...options, timeoutMs }), slow };
  }

  async function request<T = unknown>(method: Method, path: string, options: IncusRequest = {}): Promise<T> {
    const { reply, slow } = await start<T>(method, path, options);
    if (reply.type !== 'async' || !reply.operation) return reply.metadata;
    return wait<T>(`${method} ${path}`, reply.operation, slow);
  }

  return {
    socketPath,
    request,
    async begin(method, path, options = {}) {
      const { reply, slow } = await start<{ metadata: Pick<Begun, 'fds'> }>(method, path, options);
      const operation = reply.operation ?? '';
      return {
        operation,
        fds: reply.metadata.metadata.fds,
        end: <E>() => wait<E>(`${method} ${path}`, operation, slow),
      };
    },
    async text(path) {
      const { status, text } = await send('GET', path, { timeoutMs: answerTimeoutMs }, textLimit);
      if (status !== 200) throw incusError(`GET ${path}`, { status, text: text.slice(0, 200) });
      return text;
    },
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

class TooLong extends Error {}

/** The text of an answer, of which no more than `most` bytes are read. */
async function textOf(body: AsyncIterable<Buffer>, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > most) throw new TooLong(`the answer is longer than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Bytes or a stream, which are sent as they are. */
function isRaw(body: unknown): body is Buffer | Readable {
  return Buffer.isBuffer(body) || (typeof body === 'object' && body !== null && 'pipe' in body);
}
