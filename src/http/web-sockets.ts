import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Upgrade } from './answer.ts';
import { ApiError, notFound } from './errors.ts';
import type { OpenStreams } from './open-streams.ts';
import type { Operation } from './operation.ts';

/** Requests that ask for a WebSocket. */
const asksForWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';

const hasSockets = (operations: readonly Operation[]): boolean => operations.some(({ upgrade }) => upgrade);

/**
 * For Node's server: that what would like to speak another protocol (h2c, as Java's client does) is answered in HTTP,
 * with its body. A Node older than 24.9 does not know the option: there such requests lose their body as soon as there
 * are WebSockets.
 */
export const upgradeOptions = (operations: readonly Operation[]) =>
  hasSockets(operations) ? { shouldUpgradeCallback: asksForWebSocket } : {};

/** The end codes of RFC 6455, section 7.4.1. */
const normal = 1000;
const goingAway = 1001;
const failed = 1011;

export interface WebSocketOptions {
  /** Without any that is a WebSocket, nobody can ask for one: such requests are answered as they are without it. */
  operations: readonly Operation[];
  streams: OpenStreams;
  log: Pick<Logger, 'error'>;
  /** How often a client is asked whether it is there; one that has not answered by the next time is cut off. */
  pingMs: number;
}

export interface WebSockets {
  /**
   * Says whether the request is for the kind of operation that this is.
   * @throws ApiError 404 where it asks for a WebSocket that is none, 426 where it should ask for one
   */
  check(operation: Operation, request: FastifyRequest, reply: FastifyReply): void;
  /** Makes the request's connection a WebSocket and begins to serve it. @throws ApiError 400, 429, 503 */
  open(upgrade: Upgrade, operation: Operation, request: FastifyRequest, reply: FastifyReply): FastifyReply;
}

/**
 * WebSockets as operations: what asks for one goes the way of every request, so that it is refused as any other is,
 * before the protocol changes. Any page may ask, since browsers know no CORS for WebSockets: whoever lets a cookie say
 * who calls must hold the Origin against `isOwnOrigin` as well.
 */
export function webSockets(app: FastifyInstance, options: WebSocketOptions): WebSockets {
  const { operations, streams, log, pingMs } = options;
  const asked = new WeakMap<IncomingMessage, { socket: Duplex; head: Buffer }>();
  const servers = new Map<Operation, WebSocketServer>();

  const route = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.on('finish', () => request.socket.destroySoon());
    try {
      response.assignSocket(request.socket);
    } catch {
      // An earlier request on the connection has not been answered yet.
      socket.destroy();
      return;
    }
    if (asksForWebSocket(request)) asked.set(request, { socket, head });
    app.routing(request, response);
  };
  if (hasSockets(operations)) app.server.on('upgrade', route);

  function serverOf(operation: Operation): WebSocketServer {
    const known = servers.get(operation);
    if (known) return known;
    const maxPayload = operation.upgrade?.maxMessageBytes ?? 0;
    const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload });
    // Otherwise it answers what is no proper request itself, in words of its own.
    server.on('wsClientError', () => {});
    servers.set(operation, server);
    return server;
  }

  /** The socket; undefined where the client has gone meanwhile. @throws ApiError 400 */
  function shakeHands(operation: Operation, { raw, id }: FastifyRequest): WebSocket | undefined {
    const { socket, head } = asked.get(raw) ?? {};
    if (!socket || !head) throw new Error('No WebSocket was asked for.');
    const server = serverOf(operation);
    let refused: Error | undefined;
    let opened: WebSocket | undefined;
    const refuse = (error: Error) => {
      refused = error;
    };
    const addId = (headers: string[]) => void headers.push(`x-request-id: ${id}`);
    server.on('wsClientError', refuse).on('headers', addId);
    // All of this happens before it returns.
    server.handleUpgrade(raw, socket, head, (client) => {
      opened = client;
    });
    server.off('wsClientError', refuse).off('headers', addId);
    if (refused) throw new ApiError('bad_request', `This is no request for a WebSocket: ${refused.message}.`);
    return opened;
  }

  function keep(client: WebSocket): void {
    let answered = true;
    client.on('pong', () => {
      answered = true;
    });
    const ping = setInterval(() => {
      if (!answered) return client.terminate();
      answered = false;
      client.ping();
    }, pingMs);
    client.on('close', () => clearInterval(ping));
    // A message that is too large, or is none: `ws` closes the connection and says why.
    client.on('error', () => {});
  }

  return {
    check({ upgrade }, { raw }, reply) {
      const wanted = asked.has(raw);
      if (wanted && !upgrade) throw notFound('There is no WebSocket here.');
      if (wanted || !upgrade) return;
      reply.header('upgrade', 'websocket');
      throw new ApiError('upgrade_required');
    },
    open({ serve }, operation, request, reply) {
      let client: WebSocket | undefined;
      const release = streams.add(request.caller?.teamId ?? '', {
        end: () => client?.close(goingAway, 'The server is shutting down.'),
        cutOff: () => client?.terminate(),
      });
      try {
        client = shakeHands(operation, request);
      } finally {
        if (!client) release();
      }
      reply.hijack();
      reply.raw.detachSocket(request.raw.socket);
      if (!client) return reply;
      client.on('close', release);
      keep(client);
      void serveOut(client, serve, request.id);
      return reply;
    },
  };

  async function serveOut(client: WebSocket, serve: Upgrade['serve'], requestId: string): Promise<void> {
    try {
      await serve(client);
      client.close(normal);
    } catch (error) {
      // What fails because the client has gone fails nobody.
      if (client.readyState !== client.OPEN) return;
      log.error({ err: error, requestId }, 'a WebSocket failed');
      client.close(failed, 'Unexpected server-side error');
    }
  }
}
