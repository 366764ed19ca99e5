/** The server with operations made for tests; what it answers to is tested in server.test.ts and input.test.ts. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { Type } from 'typebox';
import { afterEach } from 'vitest';
import type { Caller } from '../base/caller.ts';
import { drivenClock } from '../base/clock.ts';
import { ApiError } from './errors.ts';
import { readKnownOperations } from './known-operations.ts';
import { keepEmpty } from './leniency.ts';
import { type Operation, operation } from './operation.ts';
import { PageEnvelope, PageQuery, pageOf, paginated } from './pagination.ts';
import { rateLimit } from './rate-limit.ts';
import { buildServer, type ServerOptions } from './server.ts';

export const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const team = { teamId: 't', userId: 'u' };
const callers: Record<string, Caller> = {
  'Bearer all': { ...team, tokenId: 'all', scopes: ['*'] },
  'Bearer reader': { ...team, tokenId: 'reader', scopes: ['droplet:read'] },
};
export const token = { authorization: 'Bearer all' };

const Params = Type.Object({ droplet_id: Type.Integer({ minimum: 1 }) });

/** Answers what the handler was given. */
const echoed = (request: { params: unknown; query: unknown; body: unknown }) =>
  Promise.resolve({ params: request.params, query: request.query, body: request.body });

const operations: Operation[] = [
  operation({
    id: 'droplets_list',
    method: 'GET',
    path: '/v2/droplets',
    summary: 'List',
    scopes: ['droplet:read'],
    query: Type.Object({ ...PageQuery.properties, name: Type.Optional(Type.String()) }),
    status: 200,
    response: Type.Object({ droplets: Type.Array(Type.String()), ...PageEnvelope }),
    handler: async (request) => paginated(request, pageOf(request.query), 'droplets', ['a'], 41),
  }),
  operation({
    id: 'droplets_create',
    method: 'POST',
    path: '/v2/droplets',
    summary: 'Create',
    scopes: ['droplet:read', 'droplet:create'],
    body: Type.Object({
      name: Type.String({ minLength: 1, maxLength: 5 }),
      size: Type.Optional(Type.Integer()),
      tags: Type.Optional(Type.Array(Type.String())),
      backups: Type.Optional(Type.Boolean()),
      kind: Type.Optional(Type.Enum(['a', 'b'])),
      ssh_keys: Type.Optional(Type.Array(Type.Union([Type.Integer(), Type.String()]))),
      ids: Type.Optional(Type.Array(Type.Integer())),
      record: Type.Optional(
        Type.Union([Type.Object({ ttl: Type.Union([Type.Number(), Type.Null()]) }), Type.Null()]),
      ),
      weight: Type.Optional(Type.Integer(keepEmpty)),
      about: Type.Optional(Type.String(keepEmpty)),
      rules: Type.Optional(
        Type.Array(
          Type.Object({
            port: Type.Integer(),
            text: Type.Optional(Type.String()),
            priority: Type.Optional(Type.Integer(keepEmpty)),
            check: Type.Optional(
              Type.Object({
                path: Type.Optional(Type.String(keepEmpty)),
                interval: Type.Optional(Type.Integer()),
                upper: Type.Optional(Type.Union([Type.Integer(), Type.Null()], keepEmpty)),
              }),
            ),
          }),
        ),
      ),
    }),
    status: 202,
    handler: echoed,
  }),
  operation({
    id: 'droplets_get',
    method: 'GET',
    path: '/v2/droplets/{droplet_id}',
    summary: 'Get',
    scopes: ['droplet:read'],
    params: Params,
    status: 200,
    handler: echoed,
  }),
  operation({
    id: 'droplets_destroy',
    method: 'DELETE',
    path: '/v2/droplets/{droplet_id}',
    summary: 'Delete',
    scopes: ['droplet:read'],
    params: Params,
    body: Type.Object({ reason: Type.Optional(Type.String()) }),
    status: 204,
    async handler({ body }) {
      if (body.reason) throw new ApiError('conflict', body.reason);
    },
  }),
];

/** One more operation, whose handler is the test's. */
export const made = (handler: Operation['handler'], rest: Partial<Operation> = {}): Operation => ({
  id: 'made',
  method: 'GET',
  path: '/v2/made',
  summary: 'Made by a test',
  scopes: [],
  status: 200,
  handler,
  ...rest,
});

const open: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

/** A server of the operations above and `more`, closed after the test; `call` sends the token that can do all. */
export function start(more: Operation[] = [], options: Partial<ServerOptions> = {}) {
  const logged: unknown[] = [];
  const app = buildServer({
    operations: [...operations, ...more],
    knownOperations: readKnownOperations(),
    authenticate(authorization) {
      const caller = callers[authorization ?? ''];
      if (!caller) throw new ApiError('unauthorized');
      return caller;
    },
    rateLimit: rateLimit({ perHour: 5000, perMinute: 250, clock: drivenClock() }),
    log: { debug() {}, error: (...line: unknown[]) => void logged.push(line), isLevelEnabled: () => false },
    ready: () => true,
    ...options,
  });
  open.push(app);
  const call = async (method: InjectOptions['method'], url: string, rest: Partial<InjectOptions> = {}) => {
    const answer = await app.inject({ ...rest, method, url, headers: { ...token, ...rest.headers } });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      json: () => answer.json(),
    };
  };
  const create = async (body: unknown) =>
    call('POST', '/v2/droplets', { payload: typeof body === 'string' ? body : JSON.stringify(body) });
  return { app, call, create, logged };
}

/** The same, listening on loopback at `origin`: for what needs real connections. */
export async function listen(more: Operation[] = [], options: Partial<ServerOptions> = {}) {
  const started = start(more, options);
  const origin = await started.app.listen({ host: '127.0.0.1', port: 0 });
  return { ...started, origin, port: Number(new URL(origin).port) };
}

/** Sends a request and goes without an answer as soon as `begun`; resolves when the server has seen it go. */
export async function leave(
  { app, port }: Pick<Awaited<ReturnType<typeof listen>>, 'app' | 'port'>,
  bytes: string,
  begun: Promise<void>,
): Promise<void> {
  const accepted = once(app.server, 'connection') as Promise<[Socket]>;
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  const [theirs] = await accepted;
  const gone = once(theirs, 'close');
  await begun;
  socket.destroy();
  await gone;
}

/** A certificate for a name, which it calls by another in its subject, as old ones did. */
export function certificate(name: string, subject = name): { cert: string; key: string } {
  const directory = mkdtempSync(join(tmpdir(), 'athttp-'));
  const file = (each: string) => join(directory, each);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const made = ['-keyout', file('key'), '-out', file('cert'), '-subj', `/CN=${subject}`];
  const names = ['-addext', `subjectAltName=DNS:${name}`];
  try {
    execFileSync('openssl', ['req', '-x509', ...ec, ...made, ...names], { stdio: 'ignore' });
    return { cert: readFileSync(file('cert'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Sends bytes as they are and answers all that comes back until the connection ends. */
export async function sendBytes(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
