import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const exposed = 'RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id';

/**
 * Lets pages of any origin call the API, as DigitalOcean's does. Safe because a browser adds nothing by itself:
 * there are no cookies, only a token that the page must already have.
 */
export function allowOrigin(request: FastifyRequest, reply: FastifyReply): void {
  const { origin } = request.headers;
  if (origin === undefined) return;
  reply.header('access-control-allow-origin', origin);
  reply.header('access-control-allow-credentials', 'true');
  reply.header('access-control-expose-headers', exposed);
  reply.header('vary', 'Origin');
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
