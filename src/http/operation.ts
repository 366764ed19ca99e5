import type { Readable } from 'node:stream';
import type { Static, TSchema } from 'typebox';
import type { Caller } from '../base/caller.ts';

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
  /** What is uploaded, where the operation takes `uploads`. */
  upload?: Upload;
}

/** A body as it comes in. Beyond the limit, and where the client goes, the stream ends with an error. */
export interface Upload {
  /** The content type as sent, with its parameters (the boundary of multipart/form-data). */
  type: string;
  /** Bytes, where the client says so. */
  length: number | undefined;
  stream: Readable;
}

/** A body that is JSON text already, sent as it is. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** One way in which an operation succeeds. */
export interface Success {
  /** 101 where it becomes a WebSocket. */
  status: 101 | 200 | 201 | 202 | 204 | 301 | 302;
  /** The JSON of the body; absent where there is no body, as with 204 and redirects, or where it is not JSON. */
  response?: TSchema;
  /** The media type of a body that is not JSON: `application/yaml`, `text/event-stream`. */
  produces?: string;
}

/**
 * One operation of the API: the single place that says its path, scopes, schemas and handler. The routes, the
 * OpenAPI document, scope enforcement and the compatibility table all come from these.
 */
export interface Operation<
  Params extends TSchema = TSchema,
  Query extends TSchema = TSchema,
  Body extends TSchema = TSchema,
> extends Success {
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
  /** The most bytes that a body may have; absent: the server's limit, 1 MiB. */
  bodyLimit?: number;
  /**
   * Readers of bodies in other languages than JSON, by media type (`application/yaml`). What they make of the text is
   * checked by `body`; what they throw is the client's 400.
   */
  bodyReaders?: Readonly<Record<string, (text: string) => unknown>>;
  /** The media types of bodies that the handler reads as they come (`request.upload`), instead of JSON. */
  uploads?: readonly string[];
  /** It is a WebSocket (`status: 101`): its handler answers with an `Upgrade`. */
  upgrade?: { /** Of a message from the client, bytes. */ maxMessageBytes: number };
  /** Other successes than the usual one: an `Answer` says which it is. */
  alternatives?: readonly Success[];
  /** Answers the JSON of the body, nothing where there is none, or one of the classes of `answer.ts`. */
  handler(request: Request<Static<Params>, Static<Query>, Static<Body>>): Promise<unknown>;
}

/** Keeps the types of the schemas for the handler's request, then forgets them. */
export function operation<Params extends TSchema, Query extends TSchema, Body extends TSchema>(
  definition: Operation<Params, Query, Body>,
): Operation {
  return definition;
}
