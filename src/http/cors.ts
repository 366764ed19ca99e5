import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isOwnOrigin } from './origin.ts';

const exposed = 'RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id';

/**
 * Lets pages of any origin call the API, as DigitalOcean's does, with a token that the page must already have. What a
 * browser adds by itself (cookies) may come only from pages of this server's own.
 */
export function allowOrigin(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('vary', 'Origin');
  const { origin } = request.headers;
  if (origin === undefined) return;
  if (isOwnOrigin(origin, request)) {
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-allow-credentials', 'true');
  } else reply.header('access-control-allow-origin', '*');
  reply.header('access-control-expose-headers', exposed);
}

/** Answers preflight requests. */
export function servePreflight(app: FastifyInstance): void {
  app.options('/*', { config: { open: true } }, (request, reply) => {
    reply.header('access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
    reply.header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '*');
    reply.header('access-control-max-age', '86400');
    return reply.code(204).send();
  });
}
