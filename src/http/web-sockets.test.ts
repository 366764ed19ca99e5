import { once } from 'node:events';
import { connect } from 'node:net';
import { Type } from 'typebox';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { until } from '../../test/support/until.ts';
import { drivenClock } from '../base/clock.ts';
import { Upgrade } from './answer.ts';
import { notFound } from './errors.ts';
import type { Operation, Request } from './operation.ts';
import { rateLimit } from './rate-limit.ts';
import type { ServerOptions } from './server.ts';
import { certificate, listen, made, sendBytes, token, uuid } from './test-server.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const asking = `connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n`;
const get = (path: string, headers: string) =>
  `GET ${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer all\r\n${headers}\r\n`;

const ended = (socket: WebSocket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

/** Sends back what comes, until the client closes. */
const echo = async (socket: WebSocket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  await ended(socket);
};

type Serve = (socket: WebSocket, request: Request) => Promise<void>;

const socketAt = (serve: Serve, rest: Partial<Operation> = {}): Operation =>
  made(async (request) => new Upgrade((socket) => serve(socket, request)), {
    path: '/v2/sockets/{id}',
    params: Type.Object({ id: Type.Integer() }),
    status: 101,
    upgrade: { maxMessageBytes: 1000 },
    ...rest,
  });

async function listening(operation: Operation, options: Partial<ServerOptions> = {}) {
  const started = await listen([operation], options);
  const ask = (path = '/v2/sockets/1', headers: Record<string, string> = token) => {
    const client = new WebSocket(`${started.origin.replace('http', 'ws')}${path}`, { headers });
    client.on('error', () => {});
    return client;
  };
  return {
    ...started,
    ask,
    /** A client that is connected. */
    async open(...request: Parameters<typeof ask>) {
      const client = ask(...request);
      await once(client, 'open');
      return client;
    },
    /** What a client is told that is refused. */
    async refused(...request: Parameters<typeof ask>) {
      const client = ask(...request);
      const [, answer] = await once(client, 'unexpected-response');
      let text = '';
      for await (const chunk of answer) text += String(chunk);
      return { status: answer.statusCode as number, headers: answer.headers, body: JSON.parse(text) };
    },
  };
}

const closing = async (client: WebSocket): Promise<[code: number, reason: string]> => {
  const [code, reason] = await once(client, 'close');
  return [code, String(reason)];
};

describe('a WebSocket', () => {
  it('serves what the handler says, text and bytes', async () => {
    const { ask } = await listening(
      socketAt(async (socket, { params, caller }) => {
        socket.send(JSON.stringify([params, caller.teamId]));
        await echo(socket);
      }),
    );
    const client = ask();
    expect(String((await once(client, 'message'))[0])).toBe('[{"id":1},"t"]');
    client.send('é');
    const [text, isText] = await once(client, 'message');
    expect([String(text), isText]).toEqual(['é', false]);
    client.send(Buffer.from([255, 0]));
    const [bytes, isBinary] = await once(client, 'message');
    expect([bytes, isBinary]).toEqual([Buffer.from([255, 0]), true]);
    client.close();
    expect((await closing(client))[0]).toBe(1005);
  });

  it('is closed when it is served out, and when that fails', async () => {
    const done = await (await listening(socketAt(async () => {}))).open();
    expect(await closing(done)).toEqual([1000, '']);
    const { open, logged } = await listening(socketAt(() => Promise.reject(new Error('secret'))));
    expect(await closing(await open())).toEqual([1011, 'Unexpected server-side error']);
    expect(logged).toMatchObject([[{ requestId: expect.stringMatching(uuid) }, 'a WebSocket failed']]);
  });

  it('has the id of its request', async () => {
    const { port } = await listening(socketAt(async () => {}));
    const text = await sendBytes(port, `${get('/v2/sockets/1', asking)}\x88\x80\0\0\0\0`);
    expect(text).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n/);
    expect(text).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/);
  });

  it('ends with its client, which is no error of ours', async () => {
    let over = false;
    const { open, logged } = await listening(
      socketAt(async (socket) => {
        await ended(socket);
        over = true;
        throw new Error('nobody is there');
      }),
    );
    const client = await open();
    client.terminate();
    await until(() => over);
    expect(logged).toEqual([]);
  });

  it('takes messages up to its limit', async () => {
    const { open, logged } = await listening(socketAt(echo));
    const client = await open();
    client.send('a'.repeat(1000));
    expect(String((await once(client, 'message'))[0])).toHaveLength(1000);
    client.send('a'.repeat(1001));
    expect((await closing(client))[0]).toBe(1009);
    const pieces = await open();
    pieces.send('a'.repeat(600), { fin: false });
    pieces.send('a'.repeat(600), { fin: true });
    expect((await closing(pieces))[0]).toBe(1009);
    expect(logged).toEqual([]);
  });

  it('that speaks nonsense is closed', async () => {
    const { port, logged } = await listening(socketAt(echo));
    const text = await sendBytes(port, `${get('/v2/sockets/1', asking)}GET / HTTP/1.1\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 101 /);
    expect(logged).toEqual([]);
  });

  it('is spoken over TLS, too', async () => {
    const { origin } = await listen([socketAt(echo)], { tls: certificate('localhost') });
    const url = `${origin.replace('http', 'ws')}/v2/sockets/1`;
    const client = new WebSocket(url, { headers: token, rejectUnauthorized: false });
    await once(client, 'open');
    client.send('a');
    expect(String((await once(client, 'message'))[0])).toBe('a');
    const refused = new WebSocket(url, { rejectUnauthorized: false });
    refused.on('error', () => {});
    const [, answer] = await once(refused, 'unexpected-response');
    expect(answer.statusCode).toBe(401);
  });

  it('is cut off where the client does not answer, and not where it does', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const seen = { pongs: 0, over: 0 };
    const serve = async (socket: WebSocket) => {
      socket.on('pong', () => seen.pongs++);
      await ended(socket);
      seen.over++;
    };
    const { open, port } = await listening(socketAt(serve), { limits: { heartbeatMs: 1000 } });
    const client = await open();
    for (let beat = 1; beat <= 3; beat++) {
      vi.advanceTimersByTime(1000);
      await until(() => seen.pongs === beat);
    }
    const silent = connect(port, '127.0.0.1');
    silent.write(get('/v2/sockets/1', asking));
    await once(silent.resume(), 'data');
    vi.advanceTimersByTime(1000);
    await until(() => seen.pongs === 4);
    expect(seen.over).toBe(0);
    vi.advanceTimersByTime(1000);
    await until(() => seen.over === 1 && seen.pongs === 5);
    expect(client.readyState).toBe(client.OPEN);
    client.terminate();
  });
});

describe('who asks for a WebSocket', () => {
  it('is refused in HTTP as everybody is', async () => {
    const operation = socketAt(echo, { scopes: ['app:access_console'] });
    const { refused } = await listening(operation);
    const at = '/v2/sockets/1';
    const reader = { authorization: 'Bearer reader' };
    expect(await refused(at, {})).toMatchObject({ status: 401, body: { id: 'unauthorized' } });
    expect(await refused(at, reader)).toMatchObject({
      status: 403,
      headers: { 'content-type': 'application/json; charset=utf-8', connection: 'close' },
      body: { id: 'forbidden', message: expect.stringContaining('app:access_console') },
    });
    expect((await refused('/v2/sockets/x')).status).toBe(404);
    expect((await refused('/v2/nothing')).status).toBe(404);
    expect((await refused('/elsewhere', {})).status).toBe(404);
    expect((await refused('/v2/kubernetes/clusters')).status).toBe(501);
  });

  it('is refused by the handler before the protocol changes', async () => {
    const gone = socketAt(echo, { handler: () => Promise.reject(notFound()) });
    const broken = socketAt(echo, { handler: () => Promise.reject(new Error('x')) });
    expect((await (await listening(gone)).refused()).status).toBe(404);
    const { refused, logged } = await listening(broken);
    expect((await refused()).status).toBe(500);
    expect(logged).toHaveLength(1);
  });

  it('counts against the rate limit', async () => {
    const { open, refused } = await listening(socketAt(echo), {
      rateLimit: rateLimit({ perHour: 1, perMinute: 1, clock: drivenClock() }),
    });
    await open();
    const { status, headers } = await refused();
    expect(status).toBe(429);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });

  it('may have so many open at once', async () => {
    const { ask, open, refused } = await listening(socketAt(echo), { limits: { streamsPerTeam: 2 } });
    const first = await open();
    await open();
    const { status, body } = await refused();
    expect([status, body.message]).toEqual([429, expect.stringContaining('2 streams')]);
    first.terminate();
    await until(() => {
      const client = ask();
      const opened = once(client, 'open').then(() => true);
      return Promise.race([opened, once(client, 'unexpected-response').then(() => false)]);
    });
  });

  it('is told so where there is none, and where there is nothing else', async () => {
    const { refused, call } = await listening(socketAt(echo));
    const none = await refused('/v2/droplets/1');
    expect([none.status, none.body.message]).toEqual([404, 'There is no WebSocket here.']);
    const plain = await call('GET', '/v2/sockets/1');
    expect([plain.status, plain.json().id, plain.headers.upgrade]).toEqual([
      426,
      'upgrade_required',
      'websocket',
    ]);
    expect((await call('HEAD', '/v2/sockets/1')).status).toBe(426);
  });

  it.each([
    ['without a key', asking.replace(/sec-websocket-key.*\r\n/, ''), /Sec-WebSocket-Key/],
    ['with a bad key', asking.replace(key, 'short'), /Sec-WebSocket-Key/],
    ['in another version', asking.replace('13', '12'), /Sec-WebSocket-Version/],
    ['with a bad protocol', `${asking}sec-websocket-protocol: a,,b\r\n`, /Sec-WebSocket-Protocol/],
  ])('%s is 400', async (_what, headers, message) => {
    const { port, logged } = await listening(socketAt(echo));
    const text = await sendBytes(port, get('/v2/sockets/1', headers));
    expect(text).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(text).toMatch(message);
    expect(text).toContain('"id":"bad_request"');
    expect(logged).toEqual([]);
  });

  it('and goes at once, or asks while it is answered, harms nobody', async () => {
    const held = Promise.withResolvers<void>();
    const slow = socketAt(echo, {
      handler: async () => {
        await held.promise;
        return new Upgrade(echo);
      },
    });
    const waiting = made(() => held.promise, { path: '/v2/waiting' });
    const { port, call, logged } = await listen([slow, waiting]);
    const gone = connect(port, '127.0.0.1');
    gone.write(get('/v2/sockets/1', asking));
    const both = connect(port, '127.0.0.1');
    both.write(`${get('/v2/waiting', '')}${get('/v2/sockets/1', asking)}${get('/v2/sockets/1', asking)}`);
    both.on('error', () => {});
    both.resume();
    await new Promise((resolve) => both.once('close', resolve));
    gone.resetAndDestroy();
    held.resolve();
    expect((await call('GET', '/v2/droplets')).status).toBe(200);
    expect(logged).toEqual([]);
  });
});

describe('other protocols', () => {
  it('are not spoken: the request is answered, with its body', async () => {
    const { port } = await listening(socketAt(echo));
    const h2c = 'connection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n';
    expect(await sendBytes(port, get('/v2/droplets', h2c))).toMatch(/^HTTP\/1.1 200 OK/);
    expect(await sendBytes(port, get('/v2/sockets/1', h2c))).toMatch(/^HTTP\/1.1 426 /);
    const body = '{"name":"a"}';
    const post = get('/v2/droplets', `${h2c}content-length: ${body.length}\r\n`).replace('GET', 'POST');
    expect(await sendBytes(port, post + body)).toMatch(/^HTTP\/1.1 202 /);
    const odd = post.replace('h2c', 'websocket');
    expect(await sendBytes(port, odd + body)).toMatch(/^HTTP\/1.1 202 /);
  });
});

it('a server without WebSockets answers as if none was asked for', async () => {
  const { port } = await listen();
  const text = await sendBytes(port, get('/v2/droplets/1', asking.replace('Upgrade', 'Upgrade, close')));
  expect(text).toMatch(/^HTTP\/1.1 200 OK/);
});

describe('a server that closes', () => {
  it('says good-bye', async () => {
    const { app, open } = await listening(socketAt(echo), { limits: { drainMs: 60_000 } });
    const client = await open();
    const end = closing(client);
    await app.close();
    expect(await end).toEqual([1001, 'The server is shutting down.']);
  });

  it('cuts off a client that does not answer', async () => {
    const { app, port } = await listening(socketAt(echo), { limits: { drainMs: 20 } });
    const silent = connect(port, '127.0.0.1');
    silent.write(get('/v2/sockets/1', asking));
    silent.on('error', () => {});
    const cut = new Promise((resolve) => silent.once('close', resolve));
    await once(silent, 'data');
    await app.close();
    await cut;
    expect(silent.destroyed).toBe(true);
  });
});
