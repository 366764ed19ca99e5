import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { until } from '../../test/support/until.ts';
import { drivenClock } from '../base/clock.ts';
import { KeyFileError } from '../store/key-file.ts';
import { ApiError } from './errors.ts';
import { RawJson } from './operation.ts';
import { rateLimit } from './rate-limit.ts';
import { listen, made, sendBytes, start, team, token, uuid } from './test-server.ts';

describe('a request', () => {
  it('is answered with its id and what the token has left', async () => {
    const { status, headers } = await start().call('GET', '/v2/droplets/1');
    expect(status).toBe(200);
    expect(headers['x-request-id']).toMatch(uuid);
    expect(headers).toMatchObject({ 'ratelimit-limit': '5000', 'ratelimit-remaining': '4999' });
    expect(headers['ratelimit-reset']).toMatch(/^\d+$/);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('is refused beyond the rate limit', async () => {
    const { call } = start([], { rateLimit: rateLimit({ perHour: 1, perMinute: 1, clock: drivenClock() }) });
    await call('GET', '/v2/droplets');
    const { status, headers, json } = await call('GET', '/v2/droplets');
    expect(status).toBe(429);
    expect(json()).toMatchObject({ id: 'too_many_requests', message: 'API rate limit exceeded.' });
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(headers['ratelimit-remaining']).toBe('0');
  });

  it('without a token that is known is 401, in DigitalOcean’s words', async () => {
    const { call } = start();
    for (const authorization of ['', 'Bearer ', 'Bearer other', 'Basic all']) {
      const { status, headers, json } = await call('GET', '/v2/account', { headers: { authorization } });
      expect(status).toBe(401);
      expect(headers['x-request-id']).toMatch(uuid);
      const id = headers['x-request-id'];
      expect(json()).toEqual({ id: 'unauthorized', message: 'Unable to authenticate you.', request_id: id });
    }
  });

  it('needs a token also as HEAD, on unknown paths and before its body is read', async () => {
    const { call } = start();
    const headers = { authorization: '' };
    expect((await call('HEAD', '/v2/droplets', { headers })).status).toBe(401);
    expect((await call('GET', '/v2/nothing', { headers })).status).toBe(401);
    expect((await call('POST', '/v2/droplets', { headers, payload: '{' })).status).toBe(401);
  });

  it('without a scope it needs is 403, which names the scope', async () => {
    const headers = { authorization: 'Bearer reader' };
    const { call } = start();
    expect((await call('GET', '/v2/droplets', { headers })).status).toBe(200);
    const { status, json } = await call('POST', '/v2/droplets', { headers, payload: '{"name":"a"}' });
    expect(status).toBe(403);
    expect(json()).toMatchObject({ id: 'forbidden', message: expect.stringContaining('droplet:create') });
  });

  it('waits for an authenticator that has to look', async () => {
    const caller = { ...team, tokenId: 'x', scopes: ['*'] };
    const refused = new ApiError('unauthorized');
    expect((await start([], { authenticate: async () => caller }).call('GET', '/v2/droplets/1')).status).toBe(
      200,
    );
    expect(
      (await start([], { authenticate: () => Promise.reject(refused) }).call('GET', '/v2/droplets/1')).status,
    ).toBe(401);
  });
});

describe('an answer', () => {
  it('of 204 has no body', async () => {
    const { headers, text } = await start().call('DELETE', '/v2/droplets/1');
    expect(text).toBe('');
    expect(headers['content-type']).toBeUndefined();
  });

  it('that is JSON text already is sent as it is', async () => {
    const { text, headers } = await start([made(async () => new RawJson('{"a": 1}'))]).call(
      'GET',
      '/v2/made',
    );
    expect(text).toBe('{"a": 1}');
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('of a handler that fails is 500, tells the client nothing, and is logged with the request’s id', async () => {
    const { call, logged } = start([made(() => Promise.reject(new Error('secret')))]);
    const { status, text, json } = await call('GET', '/v2/made?token=x');
    expect(status).toBe(500);
    expect(json()).toMatchObject({ id: 'server_error', message: 'Unexpected server-side error' });
    expect(text).not.toContain('secret');
    expect(logged).toMatchObject([[{ requestId: json().request_id, route: '/v2/made' }, 'request failed']]);
  });

  it.each([
    { code: 'ECONNREFUSED' },
    { code: '57P01' },
    { code: '08006' },
    { message: 'Connection terminated unexpectedly' },
  ])('while the database is away is 503: %j', async ({ code, message }) => {
    const error = Object.assign(new Error(message), code && { code });
    const { status, headers, json } = await start([made(() => Promise.reject(error))]).call(
      'GET',
      '/v2/made',
    );
    expect([status, json().id]).toEqual([503, 'service_unavailable']);
    expect(headers['retry-after']).toBe('1');
  });

  it('while the key file of secrets is away is 503, and tells the client nothing of it', async () => {
    const { call, logged } = start([made(() => Promise.reject(new KeyFileError('/home/keys.json is gone')))]);
    const { status, text } = await call('GET', '/v2/made');
    expect(status).toBe(503);
    expect(text).not.toContain('keys.json');
    expect(logged).toHaveLength(1);
  });

  it('that breaks its schema is 500 where answers are checked', async () => {
    const response = Type.Object({ id: Type.Integer() });
    const right = made(async () => ({ id: 1 }), { response });
    const wrong = made(async () => new RawJson('{"id":"1"}'), { response, path: '/v2/wrong' });
    const { call, logged } = start([right, wrong], { validateResponses: true });
    expect((await call('GET', '/v2/made')).status).toBe(200);
    expect((await call('GET', '/v2/wrong')).status).toBe(500);
    expect(String(Object.values(Object(logged.flat()[0])).find((value) => value instanceof Error))).toContain(
      'id must be an integer.',
    );
  });
});

describe('without a token', () => {
  const none = { headers: { authorization: '' } };

  it('health is told', async () => {
    expect((await start().call('GET', '/healthz', none)).status).toBe(200);
    expect((await start([], { ready: async () => false }).call('GET', '/healthz', none)).status).toBe(503);
  });

  it('the OpenAPI document is given', async () => {
    const document = (await start().call('GET', '/v2/openapi.json', none)).json();
    expect(document.openapi).toBe('3.1.0');
    const { post } = document.paths['/v2/droplets'];
    expect(post.security).toEqual([{ bearer_auth: ['droplet:read', 'droplet:create'] }]);
    expect(post.requestBody.content['application/json'].schema.required).toEqual(['name']);
    expect(Object.keys(post.responses)).toEqual(['202', '401', '403', '404', '422', '429', 'default']);
    const { get } = document.paths['/v2/droplets/{droplet_id}'];
    expect(get.parameters).toMatchObject([{ name: 'droplet_id', in: 'path', required: true }]);
  });

  it('preflight requests of any origin are answered', async () => {
    const headers = {
      ...none.headers,
      origin: 'http://panel',
      'access-control-request-headers': 'authorization',
    };
    const answer = await start().call('OPTIONS', '/v2/droplets', { headers });
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-headers': 'authorization',
    });
    expect(answer.headers['access-control-expose-headers']).toContain('RateLimit-Limit');
  });

  it('what is outside of the API is 404', async () => {
    expect((await start().call('GET', '/', none)).status).toBe(404);
  });
});

/** The whole answer to bytes that are sent as they are. */
const send = async (bytes: string) => sendBytes((await listen()).port, bytes);

describe('closing', () => {
  it('lets a request under way finish and ends its connection', async () => {
    const begun = Promise.withResolvers<void>();
    const finished = Promise.withResolvers<unknown>();
    const slow = made(() => {
      begun.resolve();
      return finished.promise;
    });
    const { app } = start([slow]);
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const answer = fetch(`${url}/v2/made`, { headers: token });
    await begun.promise;
    const closed = app.close();
    finished.resolve({ done: true });
    expect(await (await answer).json()).toEqual({ done: true });
    await closed;
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  it.each([
    ['in its headers', ''],
    ['in its body', 'authorization: Bearer all\r\ncontent-length: 9\r\n\r\n{'],
  ])('does not wait for a request that ends %s', async (_where, more) => {
    const { app, port } = await listen([], { limits: { drainMs: 20 } });
    const arrived = once(app.server, 'connection');
    const answer = sendBytes(port, `POST /v2/droplets HTTP/1.1\r\nhost: a\r\n${more}`).catch(() => '');
    const [socket] = (await arrived) as [Socket];
    await until(() => socket.bytesRead > 0);
    await app.close();
    expect(await answer).toBe('');
  });
});

describe('a connection', () => {
  it('that does not speak HTTP is answered and ended', async () => {
    const text = await send('hello\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(text).toMatch(/"id":"bad_request","message":"Bad Request.","request_id":/);
  });

  it('with too large headers is 431', async () => {
    const text = await send(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 431 /);
  });

  it('with a host no link can be made of is 400', async () => {
    const text = await send(
      'GET /v2/droplets HTTP/1.1\r\nhost: a"b\r\nauthorization: Bearer all\r\nconnection: close\r\n\r\n',
    );
    expect(text).toMatch(/^HTTP\/1.1 400 /);
  });
});
