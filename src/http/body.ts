import type { FastifyInstance } from 'fastify';
import { ApiError } from './errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the client calls its body; empty where it says nothing. */
    bodyType: string;
  }
}

const remedy = 'Send JSON in UTF-8, with the header content-type: application/json.';

/**
 * Takes every body for JSON, whatever it is called: clients send forms' content type, or none, with JSON text. Empty
 * bodies are no body: godo sends one with each DELETE. What is no JSON in UTF-8 is named in the error: 415 where it
 * is called something else or is compressed, 400 otherwise.
 */
export function acceptJsonBodies(app: FastifyInstance): void {
  app.decorateRequest('bodyType', '');
  app.addHook('onRequest', (request, _reply, done) => {
    const type = request.headers['content-type'];
    request.bodyType = type ?? '';
    // Fastify itself refuses what it cannot read as a media type.
    if (type !== undefined) request.headers['content-type'] = 'application/json';
    done();
  });
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    const coding = request.headers['content-encoding'];
    if (coding !== undefined && !/^ *(identity)? *$/i.test(coding)) {
      const problem = `The request body is compressed (content-encoding: ${cut(coding)}), which is not supported.`;
      return done(new ApiError('unsupported_media_type', `${problem} Send it as it is.`));
    }
    const text = decode(body);
    if (text === undefined)
      return done(new ApiError('bad_request', `The request body is not valid UTF-8. ${remedy}`));
    if (text.trim() === '') return done(null, undefined);
    if (isNamedOtherwise(request.bodyType, text)) {
      const problem = `The request body is not JSON, but ${nameOf(request.bodyType)}.`;
      return done(new ApiError('unsupported_media_type', `${problem} ${remedy}`));
    }
    void parse(request, text, done);
  });
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
