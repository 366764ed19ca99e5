import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../base/caller.ts';
import type { Authenticate } from './auth.ts';
import { ApiError } from './errors.ts';
import type { Operation } from './operation.ts';
import type { RateLimit } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; null where no token is needed. */
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    operation?: Operation;
    /** Answered without a token. */
    open?: boolean;
  }
}

export interface Admission {
  authenticate: Authenticate;
  rateLimit: RateLimit;
}

/** Lets a request in, by its token, the token's rate limit and its scopes; before the body is read. */
export function admit(
  { authenticate, rateLimit }: Admission,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const { operation, open } = request.routeOptions.config;
  // Unknown paths outside of the API need no token: there is nothing to protect.
  if (open || (!operation && !/^\/v\d/.test(request.url))) return done();
  const enter = (caller: Caller) => {
    request.caller = caller;
    const { limit, remaining, reset, retryAfter } = rateLimit.take(caller.tokenId);
    reply.header('ratelimit-limit', limit);
    reply.header('ratelimit-remaining', remaining);
    reply.header('ratelimit-reset', reset);
    if (retryAfter !== undefined) {
      reply.header('retry-after', retryAfter);
      return done(new ApiError('too_many_requests'));
    }
    const missing = operation && missingScope(caller, operation);
    done(
      missing
        ? new ApiError('forbidden', `This token lacks the scope ${missing}, which is needed here.`)
        : undefined,
    );
  };
  try {
    const caller = authenticate(request.headers.authorization, request.ip);
    // Known tokens are answered at once: no turn of the event loop for them.
    // oxlint-disable-next-line promise/no-callback-in-promise -- the hook is a callback for the sake of the other case
    if (caller instanceof Promise) caller.then(enter).catch(done);
    else enter(caller);
  } catch (error) {
    done(error as Error);
  }
}

function missingScope({ scopes }: Caller, operation: Operation): string | undefined {
  return scopes.includes('*') ? undefined : operation.scopes.find((scope) => !scopes.includes(scope));
}
