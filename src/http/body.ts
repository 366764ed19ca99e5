import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from './errors.ts';
import type { Operation } from './operation.ts';
import { uploadOf } from './upload.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the client calls its body; empty where it says nothing. */
    bodyType: string;
  }
}

/** The name under which Fastify knows bodies that are read as they come. */
const uploaded = 'application/octet-stream';

/**
 * Takes every body for JSON, whatever it is called: clients send forms' content type, or none, with JSON text. Empty
 * bodies are no body: godo sends one with each DELETE. What is no JSON in UTF-8 is named in the error: 415 where it
 * is called something else or is compressed, 400 otherwise. What an operation reads otherwise (`bodyReaders`,
 * `uploads`) goes by the content type alone.
 */
export function acceptBodies(app: FastifyInstance): void {
  app.decorateRequest('bodyType', '');
  app.addHook('onRequest', (request, _reply, done) => {
    // Of these no body is read.
    if (request.method === 'GET' || request.method === 'HEAD') return done();
    const type = request.headers['content-type'];
    request.bodyType = type ?? '';
    // Fastify itself refuses what it cannot read as a media type.
    if (operationOf(request)?.uploads) request.headers['content-type'] = uploaded;
    else if (type !== undefined) request.headers['content-type'] = 'application/json';
    done();
  });
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    const compressed = compressionProblem(request);
    if (compressed) return done(compressed);
    const remedy = remedyFor(operationOf(request));
    const text = decode(body);
    if (text === undefined)
      return done(new ApiError('bad_request', `The request body is not valid UTF-8. ${remedy}`));
    if (text.trim() === '') return done(null, undefined);
    const read = readerFor(request);
    if (read) return read(text, done);
    if (isNamedOtherwise(request.bodyType, text)) {
      const problem = `The request body is not JSON, but ${nameOf(request.bodyType)}.`;
      return done(new ApiError('unsupported_media_type', `${problem} ${remedy}`));
    }
    void parse(request, text, done);
  });
  app.addContentTypeParser(uploaded, (request, _stream, done) => {
    const problem = compressionProblem(request) ?? uploadProblem(request);
    if (problem) done(problem);
    else done(null, uploadOf(request, request.routeOptions.bodyLimit));
  });
}

const operationOf = (request: FastifyRequest): Operation | undefined => request.routeOptions.config.operation;

/** `application/yaml` of `Application/YAML; charset=utf-8`. */
const mediaType = (contentType: string): string => (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();

function compressionProblem({ headers }: FastifyRequest): ApiError | undefined {
  const coding = headers['content-encoding'];
  if (coding === undefined || /^ *(identity)? *$/i.test(coding)) return undefined;
  const problem = `The request body is compressed (content-encoding: ${cut(coding)}), which is not supported.`;
  return new ApiError('unsupported_media_type', `${problem} Send it as it is.`);
}

/** A body without a content type is taken for bytes, where these are taken. */
function uploadProblem(request: FastifyRequest): ApiError | undefined {
  const { uploads = [] } = operationOf(request) ?? {};
  if (uploads.includes(mediaType(request.bodyType) || uploaded)) return undefined;
  const problem = `The request body must be of the content type ${uploads.join(' or ')}`;
  return new ApiError('unsupported_media_type', `${problem}, not ${cut(request.bodyType) || 'of none'}.`);
}

type Done = (error: Error | null, body?: unknown) => void;

/** The operation's own reader of bodies that are called so. */
function readerFor(request: FastifyRequest): ((text: string, done: Done) => void) | undefined {
  const type = mediaType(request.bodyType);
  const { bodyReaders = {} } = operationOf(request) ?? {};
  const read = Object.hasOwn(bodyReaders, type) ? bodyReaders[type] : undefined;
  if (!read) return undefined;
  return (text, done) => {
    let body: unknown;
    try {
      body = read(text);
    } catch (error) {
      const [reason = ''] = (error instanceof Error ? error.message : '').split('\n', 1);
      return done(new ApiError('bad_request', `The request body is not valid ${type}: ${cut(reason)}`));
    }
    done(null, body);
  };
}

function remedyFor(operation: Operation | undefined): string {
  const others = Object.keys(operation?.bodyReaders ?? {}).map((type) => `, or ${type}, called so`);
  return `Send JSON in UTF-8, with the header content-type: application/json${others.join('')}.`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a body, without a byte order mark; undefined where it is not UTF-8. */
function decode(body: Buffer): string | undefined {
  try {
    return utf8.decode(body);
  } catch {
    return undefined;
  }
}

/** Whether a body is what its content type says, which is not JSON: a text that begins like JSON is meant as such. */
const isNamedOtherwise = (type: string, text: string): boolean =>
  type !== '' && !/json|^[^/]*$|^\*\/\*/i.test(type) && !/^\s*(["{[]|-?\d|(true|false|null)\s*$)/.test(text);

function nameOf(type: string): string {
  const [name = ''] = type.split(';');
  if (/form-urlencoded/i.test(name)) return `form-encoded (content-type: ${cut(name)})`;
  return `of the content type ${cut(name)}`;
}

/** A header's value in a message, without what cannot be printed. */
const cut = (value: string): string =>
  value
    .trim()
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 100);
