import type { Static, TSchema } from 'typebox';

/** Who calls. Every query is by `teamId`; `tokenId` and `userId` go into actions and the audit trail. */
export interface Caller {
  teamId: string;
  userId: string;
  tokenId: string;
  scopes: readonly string[];
}

/** What a handler is given: the validated parts of the request and who sent it. */
export interface Request<Params = unknown, Query = unknown, Body = unknown> {
  caller: Caller;
  params: Params;
  query: Query;
  body: Body;
  headers: Record<string, string | string[] | undefined>;
  /** The request's id, also in the answer's `x-request-id`. */
  id: string;
  /** `http://host:port` as the client sees it: links in answers begin with it. */
  origin: string;
  /** Path and query string as sent. */
  url: string;
}

/** A body that is JSON text already, sent as it is. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * One operation of the API: the single place that says its path, scopes, schemas and handler. The routes, the
 * OpenAPI document, scope enforcement and the compatibility table all come from these.
 */
export interface Operation<
  Params extends TSchema = TSchema,
  Query extends TSchema = TSchema,
  Body extends TSchema = TSchema,
> {
  /** DigitalOcean's operationId where it has one. */
  id: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With parameters in braces, as in the published document: `/v2/droplets/{droplet_id}`. */
  path: string;
  summary: string;
  /** All of these are needed. */
  scopes: readonly string[];
  params?: Params;
  query?: Query;
  body?: Body;
  /** The status of success. */
  status: 200 | 201 | 202 | 204;
  /** The body of success; absent with 204, and with a 202 that says nothing more. */
  response?: TSchema;
  handler(request: Request<Static<Params>, Static<Query>, Static<Body>>): Promise<unknown>;
}

/** Keeps the types of the schemas for the handler's request, then forgets them. */
export function operation<Params extends TSchema, Query extends TSchema, Body extends TSchema>(
  definition: Operation<Params, Query, Body>,
): Operation {
  return definition;
}
