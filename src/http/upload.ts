import { Transform } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './errors.ts';
import { tooLarge } from './failures.ts';
import { type OpenStreams, whenOver } from './open-streams.ts';
import type { Upload } from './operation.ts';

/** The client has gone, or the server could wait no longer: nobody hears of it, and it is no failure of ours. */
const cutShort = () => new ApiError('bad_request', 'The connection ended before the request body did.');

/**
 * The body of this request as it comes, at most `limit` bytes of it; the whole has to arrive within the server's
 * `requestTimeoutMs`. What is not read is thrown away when the request is answered.
 * @throws ApiError 413 where the client says that it is larger
 */
export function uploadOf({ raw, bodyType }: FastifyRequest, limit: number): Upload {
  const given = raw.headers['content-length'];
  const length = given === undefined ? undefined : Number(given);
  if (length !== undefined && length > limit) throw tooLarge(limit);
  let received = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      if (received > limit) done(tooLarge(limit));
      else done(null, chunk);
    },
  });
  // Not by `pipeline`: that would end the connection together with the stream, and with it the answer.
  raw.pipe(stream);
  raw.once('error', () => stream.destroy(cutShort()));
  stream.once('close', () => {
    raw.unpipe(stream);
    raw.resume();
  });
  // Whoever reads it hears of its errors; where nobody does (yet), there is nothing to do about them.
  stream.on('error', () => {});
  return { type: bodyType, length, stream };
}

/**
 * Lets `handler` take an upload, which counts as one of the team's streams until the request is answered. What ended
 * the upload is what the request fails with, whatever the handler made of it.
 */
export async function receive<Answer>(
  { stream }: Upload,
  { streams, request, reply }: { streams: OpenStreams; request: FastifyRequest; reply: FastifyReply },
  handler: () => Promise<Answer>,
): Promise<Answer> {
  whenOver(reply.raw, () => stream.destroy(reply.raw.writableFinished ? undefined : cutShort()));
  const cutOff = () => request.raw.destroy();
  whenOver(reply.raw, streams.add(request.caller?.teamId ?? '', { end() {}, cutOff }));
  try {
    return await handler();
  } catch (error) {
    throw stream.errored ?? error;
  }
}
