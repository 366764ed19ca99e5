import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { Answer, EventStream, Upgrade } from './answer.ts';
import { eventBytes } from './event-stream.ts';
import { type OpenStreams, whenOver } from './open-streams.ts';
import { type Operation, RawJson, type Success } from './operation.ts';
import type { OperationValidator } from './validation.ts';
import type { WebSockets } from './web-sockets.ts';

const json = 'application/json';

export interface AnsweringOptions {
  streams: OpenStreams;
  sockets: WebSockets;
  log: Pick<Logger, 'error'>;
  /** Of event streams. */
  heartbeatMs: number;
  /** Fails where an answer is not one of the operation's successes, or breaks its schema: for tests. */
  validateResponses: boolean;
}

/** Sends what a handler of this operation answered. */
export type Answering = (answered: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

export function answering(
  operation: Operation,
  validator: OperationValidator,
  { streams, sockets, log, heartbeatMs, validateResponses }: AnsweringOptions,
): Answering {
  const successes: Success[] = [operation, ...(operation.alternatives ?? [])];

  /** The success that an answer means. */
  function meant({ status = operation.status, type }: { status?: number; type?: string }): Success {
    const success = successes.find(
      (each) => each.status === status && (type === undefined || type === (each.produces ?? json)),
    );
    if (success) return success;
    throw new Error(`${operation.id} declares no success ${status}${type ? ` of ${type}` : ''}.`);
  }

  function sendJson(success: Success, body: unknown, reply: FastifyReply): FastifyReply {
    // All of 204, redirects, and some operations that are accepted (202), answer without a body.
    if (body === undefined) return reply.send();
    const text = body instanceof RawJson ? body.text : JSON.stringify(body);
    if (validateResponses) {
      const problem = validator.response(success, JSON.parse(text));
      if (problem) throw new Error(`The answer of ${operation.id} breaks its schema: ${problem}`);
    }
    return reply.header('content-type', `${json}; charset=utf-8`).send(text);
  }

  /** Sends a stream; `end` asks it to end early. */
  function sendStream(bytes: Readable, end: () => void, request: FastifyRequest, reply: FastifyReply) {
    bytes.once('error', (error) => {
      if (reply.raw.headersSent && !reply.raw.destroyed)
        log.error({ err: error, requestId: request.id, route: operation.path }, 'a stream broke off');
    });
    try {
      const cutOff = () => reply.raw.destroy();
      whenOver(reply.raw, streams.add(request.caller?.teamId ?? '', { end, cutOff }));
    } catch (error) {
      bytes.destroy();
      throw error;
    }
    // Nothing follows: what falls short of its length is seen to, and a server that drains waits for no other request.
    return reply.header('connection', 'close').send(bytes);
  }

  /** HEAD is answered as GET, its length, too: of no stream at all Fastify would say that it is 0. */
  const withoutBody = (reply: FastifyReply): FastifyReply => reply.send(Readable.from([]));

  return (answered, request, reply) => {
    if (answered instanceof Upgrade) return sockets.open(answered, operation, request, reply);
    const { headers, body, length, ...which } =
      answered instanceof Answer ? answered.parts : { body: answered };
    const success = meant(which);
    reply.code(success.status);
    if (headers) reply.headers(headers);
    const type = success.produces ?? json;
    if (type === json || body === undefined) return sendJson(success, body, reply);

    reply.header('content-type', type.startsWith('text/') ? `${type}; charset=utf-8` : type);
    // Pages of others must not make a script of what somebody has stored here.
    reply.header('x-content-type-options', 'nosniff');
    const isHead = request.method === 'HEAD';
    if (body instanceof EventStream) {
      reply.header('cache-control', 'no-store');
      if (isHead) return withoutBody(reply);
      const { bytes, end } = eventBytes(body, heartbeatMs);
      return sendStream(bytes, end, request, reply);
    }
    if (!(body instanceof Readable)) return reply.send(body);
    if (length !== undefined) reply.header('content-length', length);
    if (!isHead) return sendStream(body, () => {}, request, reply);
    body.destroy();
    return withoutBody(reply);
  };
}
