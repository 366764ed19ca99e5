import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type Admission, admit } from './admission.ts';
import { answering } from './answering.ts';
import { acceptBodies } from './body.ts';
import { allowOrigin, servePreflight } from './cors.ts';
import { ApiError, notFound } from './errors.ts';
import { errorBody, refuseConnection, toApiError, worded } from './failures.ts';
import { type KnownOperation, operationFinder } from './known-operations.ts';
import { type OpenStreams, openStreams } from './open-streams.ts';
import { openApiDocument } from './openapi.ts';
import type { Operation, Upload } from './operation.ts';
import { originOf } from './origin.ts';
import { endUnfinished } from './unfinished.ts';
import { receive } from './upload.ts';
import { type OperationValidator, operationValidators } from './validation.ts';
import { upgradeOptions, webSockets } from './web-sockets.ts';

/** How much is waited for, and how much is open at once. */
export interface RequestLimits {
  bodyBytes: number;
  headersTimeoutMs: number;
  /** For the whole request to arrive. */
  requestTimeoutMs: number;
  keepAliveTimeoutMs: number;
  /** Event streams, downloads, uploads and WebSockets of a team. */
  streamsPerTeam: number;
  /** Between signs of life on event streams and WebSockets. */
  heartbeatMs: number;
  /** How long streams have to end by themselves, and requests to arrive, while the server drains. */
  drainMs: number;
}

const defaultLimits: RequestLimits = {
  bodyBytes: 1024 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 72_000,
  streamsPerTeam: 200,
  heartbeatMs: 15_000,
  drainMs: 500,
};

export interface ServerOptions extends Admission {
  /** What is built. */
  operations: readonly Operation[];
  /** What the published API has: the part that is not built is answered with 501. */
  knownOperations: readonly KnownOperation[];
  log: Pick<Logger, 'debug' | 'error' | 'isLevelEnabled'>;
  /** For `/healthz`. */
  ready(): boolean | Promise<boolean>;
  /** PEM; absent: plain HTTP. */
  tls?: { cert: string; key: string };
  limits?: Partial<RequestLimits>;
  /** Makes request ids. */
  ids?: () => string;
  /** Checks each success against its operation's schema and fails where it differs: for tests. */
  validateResponses?: boolean;
}

const json = 'application/json; charset=utf-8';

/**
 * The HTTP server of the API; `listen` and `close` are the caller's. `close` lets requests under way finish, and ends
 * streams and WebSockets.
 */
export function buildServer(options: ServerOptions): FastifyInstance {
  const ids = options.ids ?? randomUUID;
  const limits = { ...defaultLimits, ...options.limits };
  const app = fastify(options, limits, ids);

  app.decorateRequest('caller', null);
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    allowOrigin(request, reply);
    admit(options, request, reply, done);
  });
  acceptBodies(app);

  const { operations, log, validateResponses = false } = options;
  const { heartbeatMs } = limits;
  const streams = openStreams({ perTeam: limits.streamsPerTeam, drainMs: limits.drainMs });
  app.addHook('preClose', () => streams.drain());
  const sockets = webSockets(app, { operations, streams, log, pingMs: heartbeatMs });
  endUnfinished(app, { tls: options.tls !== undefined, drainMs: limits.drainMs });
  const validatorOf = operationValidators();
  for (const operation of operations) {
    const validator = validatorOf(operation);
    const answer = answering(operation, validator, { streams, sockets, log, heartbeatMs, validateResponses });
    app.route({
      method: operation.method,
      url: operation.path.replace(/\{([^}]*)\}/g, ':$1'),
      config: { operation },
      ...(operation.bodyLimit !== undefined && { bodyLimit: operation.bodyLimit }),
      async handler(request, reply) {
        sockets.check(operation, request, reply);
        return answer(await handle(operation, validator, streams, request, reply), request, reply);
      },
    });
  }

  const document = JSON.stringify(openApiDocument(operations));
  app.get('/v2/openapi.json', { config: { open: true } }, (_request, reply) =>
    reply.type(json).send(document),
  );
  app.get('/healthz', { config: { open: true } }, async (_request, reply) => {
    if (!(await options.ready())) throw new ApiError('service_unavailable');
    return reply.type(json).send('{"status":"ok"}');
  });
  servePreflight(app);

  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  app.setNotFoundHandler(notFoundHandler(options));
  if (options.log.isLevelEnabled('debug')) {
    app.addHook('onResponse', (request, reply, done) => {
      const { method, id, routeOptions } = request;
      options.log.debug(
        { method, route: routeOptions.url, status: reply.statusCode, requestId: id },
        'request',
      );
      done();
    });
  }
  return app;
}

function fastify(
  { operations, tls }: ServerOptions,
  limits: RequestLimits,
  ids: () => string,
): FastifyInstance {
  const { bodyBytes, headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = limits;
  const http = { headersTimeout: headersTimeoutMs, ...upgradeOptions(operations) };
  const common = {
    logger: false,
    genReqId: ids,
    bodyLimit: bodyBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    // While closing, requests on open connections are still answered, and the connection ends with the answer.
    return503OnClosing: false,
    forceCloseConnections: 'idle' as const,
    // Names in paths (tags, images) have up to 255 characters, each up to 12 when percent-encoded.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 255 * 12 },
    // A path that cannot be decoded names nothing.
    frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.header('x-request-id', request.id).code(404).type(json);
      void reply.send(JSON.stringify(errorBody(worded(notFound(), request.url), request.id)));
    },
    clientErrorHandler: (error: Error, socket: Socket) => refuseConnection(error, socket, ids()),
  };
  return (
    tls ? Fastify({ ...common, https: { ...http, ...tls } }) : Fastify({ ...common, http })
  ) as FastifyInstance;
}

/** Checks the request and lets the operation's handler do its work. */
async function handle(
  operation: Operation,
  validator: OperationValidator,
  streams: OpenStreams,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { caller, headers, id, url } = request;
  if (!caller) throw new ApiError('unauthorized');
  const run = (upload?: Upload) =>
    operation.handler({
      caller,
      params: validator.params(request.params),
      query: validator.query(request.query),
      body: upload ? undefined : validator.body(request.body),
      ...(upload && { upload }),
      headers,
      id,
      origin: originOf(request),
      url,
    });
  if (!operation.uploads) return run();
  const upload = request.body as Upload;
  return receive(upload, { streams, request, reply }, () => run(upload));
}

function answerError({ log }: ServerOptions, error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const answer = worded(toApiError(error, request.routeOptions.bodyLimit), request.url);
  if (answer.status >= 500 && !(error instanceof ApiError)) {
    const { method, id: requestId, routeOptions } = request;
    log.error({ err: error, requestId, method, route: routeOptions.url }, 'request failed');
  }
  // Of a download that could not begin: the error is no attachment, and nothing to be kept.
  for (const name of ['content-disposition', 'cache-control', 'etag', 'last-modified'])
    reply.removeHeader(name);
  const retryAfter = answer.retryAfter ?? (answer.status === 503 ? 1 : undefined);
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  // Of a body that is refused the rest is still to come: a client that first sends it all would find the connection
  // ended, as Fastify means to, and never see the answer. What comes is thrown away, for as long as a request may take.
  // While the server closes, connections do end: Node's own header says so.
  if (reply.hasHeader('connection') && !reply.raw.hasHeader('connection')) reply.removeHeader('connection');
  return reply
    .code(answer.status)
    .header('content-type', json)
    .send(JSON.stringify(errorBody(answer, request.id)));
}

function notFoundHandler({ operations, knownOperations }: ServerOptions) {
  const find = operationFinder<KnownOperation | Operation>([...knownOperations, ...operations]);
  return (request: FastifyRequest, reply: FastifyReply) => {
    const methods = find(request.url.split('?', 1)[0] ?? '');
    if (!methods) throw notFound();
    const operation = methods.get(request.method === 'HEAD' ? 'GET' : request.method);
    if (!operation) {
      const allowed = [...methods.keys()].join(', ');
      reply.header('allow', allowed);
      throw new ApiError('method_not_allowed', `${request.method} is not allowed here, only ${allowed}.`);
    }
    const { id, method, path } = operation;
    const message = `${id} (${method} ${path}) is part of the DigitalOcean API, but this Atoll does not have it yet.`;
    throw 'handler' in operation ? notFound() : new ApiError('not_implemented', message);
  };
}
