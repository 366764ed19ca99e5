import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { until } from '../../test/support/until.ts';
import type { Operation, Upload } from './operation.ts';
import type { ServerOptions } from './server.ts';
import { leave, listen, made, sendBytes, start, team, token } from './test-server.ts';

const limit = 1000;

const upload = (take: (upload: Upload) => Promise<unknown>, rest: Partial<Operation> = {}): Operation =>
  made(async ({ upload: given }) => (given ? take(given) : 'none'), {
    id: 'upload',
    method: 'POST',
    path: '/v2/uploads',
    uploads: ['application/octet-stream', 'multipart/form-data'],
    bodyLimit: limit,
    ...rest,
  });

const whole = upload(async ({ stream, type, length }) => ({
  text: String(await buffer(stream)),
  type,
  length,
}));

async function listening(operation: Operation, options: Partial<ServerOptions> = {}) {
  const started = await listen([operation], options);
  /** Begins an upload; `answer` waits for what is said to it. */
  const begin = (headers: Record<string, string | number> = {}) => {
    const url = `${started.origin}/v2/uploads`;
    const sent = requestHttp(url, { method: 'POST', headers: { ...token, ...headers }, agent: false });
    sent.on('error', () => {});
    return { sent, answer: () => answerTo(sent) };
  };
  return { ...started, begin };
}

async function answerTo(sent: ClientRequest) {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, body: JSON.parse(String(await buffer(answer))) };
}

describe('an upload', () => {
  it('comes as it is sent, with and without its length', async () => {
    const { begin } = await listening(whole);
    const type = 'multipart/form-data; boundary=x';
    const known = begin({ 'content-type': type, 'content-length': 3 });
    known.sent.end('{"a');
    expect((await known.answer()).body).toEqual({ text: '{"a', type, length: 3 });
    const chunked = begin();
    chunked.sent.write('a');
    chunked.sent.end('b');
    expect((await chunked.answer()).body).toEqual({ text: 'ab', type: '' });
    const empty = begin({ 'content-length': 0 });
    empty.sent.end();
    expect((await empty.answer()).body).toEqual({ text: '', type: '', length: 0 });
  });

  it('comes while it is sent', async () => {
    const seen: string[] = [];
    const { begin } = await listening(
      upload(async ({ stream }) => {
        for await (const chunk of stream) seen.push(String(chunk));
        return seen;
      }),
    );
    const { sent, answer } = begin();
    sent.write('a');
    await until(() => seen.length === 1);
    sent.end('b');
    expect((await answer()).body).toEqual(['a', 'b']);
  });

  it('called otherwise, or compressed, is 415', async () => {
    const send = (headers: Record<string, string>) =>
      start([whole]).call('POST', '/v2/uploads', { payload: '{}', headers });
    const json = await send({ 'content-type': 'application/json' });
    expect([json.status, json.json()]).toEqual([
      415,
      {
        id: 'unsupported_media_type',
        message:
          'The request body must be of the content type application/octet-stream or multipart/form-data, not application/json.',
        request_id: expect.any(String),
      },
    ]);
    expect((await send({ 'content-type': 'not a type' })).status).toBe(415);
    const packed = await send({ 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' });
    expect([packed.status, packed.json().message]).toEqual([415, expect.stringContaining('gzip')]);
  });

  const tooLarge = [413, 'The request body is larger than 1000 bytes, the most taken here.'];

  it('that says it is too large is 413 before it is sent', async () => {
    const { begin } = await listening(whole);
    const { sent, answer } = begin({ 'content-length': limit + 1 });
    sent.flushHeaders();
    const { status, body } = await answer();
    expect([status, body.message]).toEqual(tooLarge);
    sent.destroy();
  });

  it.each([
    ['reads it', whole],
    [
      'makes another error of it',
      upload(async ({ stream }) => {
        await buffer(stream).catch(() => {
          throw new Error('the disk refused');
        });
      }),
    ],
  ])(
    'that turns out too large is 413, and no more of it is kept: the handler %s',
    async (_what, operation) => {
      const { begin, logged } = await listening(operation);
      const { sent, answer } = begin();
      const answered = answer();
      const piece = Buffer.alloc(64 * 1024);
      const sending = new AbortController();
      // Far more than any buffer takes: the rest is thrown away, and the client sees the answer.
      const all = (async () => {
        for (let i = 0; i < 300 && !sending.signal.aborted; i++)
          if (!sent.write(piece)) await once(sent, 'drain');
        sent.end();
      })();
      const { status, body } = await answered;
      expect([status, body.message, logged]).toEqual([...tooLarge, []]);
      sending.abort();
      await all.catch(() => {});
    },
  );

  it('shows its types in the document', async () => {
    const document = (await start([whole]).call('GET', '/v2/openapi.json')).json();
    const { requestBody } = document.paths['/v2/uploads'].post;
    expect(requestBody).toEqual({
      description: 'At most 1000 bytes.',
      content: { 'application/octet-stream': {}, 'multipart/form-data': {} },
    });
  });

  it('of exactly the limit is taken', async () => {
    const { begin } = await listening(whole);
    const { sent, answer } = begin();
    sent.end('a'.repeat(limit));
    expect((await answer()).body.text).toHaveLength(limit);
  });

  it('fails its handler when the client goes, and nobody is told of an error of ours', async () => {
    const failed = Promise.withResolvers<unknown>();
    const begun = Promise.withResolvers<void>();
    const { app, begin, logged } = await listening(
      upload(async ({ stream }) => {
        begun.resolve();
        return buffer(stream).catch((error: unknown) => {
          failed.resolve(error);
          throw new Error('the disk has not got all of it');
        });
      }),
    );
    const { sent } = begin();
    sent.write('a');
    await begun.promise;
    sent.destroy();
    expect(await failed.promise).toBeInstanceOf(Error);
    await app.close();
    expect(logged).toEqual([]);
  });

  it('fails, and is over, when the client goes while it is found out who calls', async () => {
    const begun = Promise.withResolvers<void>();
    const known = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<unknown>();
    const taking = upload(({ stream }) => buffer(stream).catch(failed.resolve));
    const started = await listening(taking, {
      async authenticate() {
        begun.resolve();
        await known.promise;
        return { ...team, tokenId: 'all', scopes: ['*'] };
      },
    });
    const asked = 'POST /v2/uploads HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\na';
    await leave(started, asked, begun.promise);
    known.resolve();
    expect(await failed.promise).toBeInstanceOf(Error);
    await started.app.close();
    expect(started.logged).toEqual([]);
  });

  it('that nobody reads is thrown away, and its connection goes on', async () => {
    const { origin } = await listening(
      upload(async () => ({ done: true })),
      {},
    );
    for (let i = 0; i < 3; i++) {
      const body = 'a'.repeat(limit);
      const answer = await fetch(`${origin}/v2/uploads`, {
        method: 'POST',
        headers: { ...token, 'content-type': 'application/octet-stream' },
        body,
      });
      expect(await answer.json()).toEqual({ done: true });
    }
  });

  it.each([
    ['by its path', 'x', {}, 404],
    ['by how many there are', '1', { limits: { streamsPerTeam: 0 } }, 429],
  ])('that is refused %s is thrown away, too', async (_what, id, options, status) => {
    const params = Type.Object({ id: Type.Integer() });
    const operation = { ...whole, path: '/v2/uploads/{id}', params, bodyLimit: 1_000_000 };
    const { port } = await listening(operation, options);
    const host = 'host: a\r\nauthorization: Bearer all\r\n';
    const post = `POST /v2/uploads/${id} HTTP/1.1\r\n${host}content-length: 500000\r\n\r\n${'a'.repeat(500_000)}`;
    const text = await sendBytes(
      port,
      `${post}GET /v2/droplets/1 HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
    );
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual([`HTTP/1.1 ${status}`, 'HTTP/1.1 200']);
  });

  it('is refused before it is read', async () => {
    const { begin } = await listening({ ...whole, scopes: ['app:create'] });
    for (const [authorization, status] of [
      ['', 401],
      ['Bearer reader', 403],
    ] as const) {
      const { sent, answer } = begin({ authorization });
      sent.write('a');
      expect((await answer()).status).toBe(status);
      sent.destroy();
    }
  });

  it('does not keep a server from closing', async () => {
    const begun = Promise.withResolvers<void>();
    const slow = upload(async ({ stream }) => {
      begun.resolve();
      return buffer(stream);
    });
    const { app, begin } = await listening(slow, { limits: { drainMs: 20 } });
    const { sent } = begin();
    const gone = new Promise((resolve) => sent.once('close', resolve));
    sent.write('a');
    await begun.promise;
    await app.close();
    await gone;
    expect(sent.destroyed).toBe(true);
  });
});
