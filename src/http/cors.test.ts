import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { describe, expect, it } from 'vitest';
import type { ServerOptions } from './server.ts';
import { certificate, listen, token } from './test-server.ts';

type Headers = Record<string, string>;

/** Listens on loopback; `ask` connects there and says whatever it likes about where it is. */
async function listening(options: Partial<ServerOptions> = {}) {
  const { port } = await listen([], options);
  const send = options.tls ? requestHttps : requestHttp;
  const ask = async (headers: Headers, method = 'GET') => {
    const asked = send({
      host: '127.0.0.1',
      port,
      path: '/v2/droplets',
      method,
      headers: { ...token, ...headers },
      rejectUnauthorized: false,
      agent: false,
    }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.headers;
  };
  return { port, ask };
}

const withCredentials = (origin: string) => ({
  'access-control-allow-origin': origin,
  'access-control-allow-credentials': 'true',
  vary: 'Origin',
});

describe('an answer', () => {
  it('to no page says only that it depends on the page', async () => {
    const { ask } = await listening();
    const headers = await ask({});
    expect(headers.vary).toBe('Origin');
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it('to a page of this server’s own may be read with credentials', async () => {
    const { port, ask } = await listening();
    for (const host of ['127.0.0.1', 'localhost']) {
      const origin = `http://${host}:${port}`;
      for (const method of ['GET', 'OPTIONS'])
        expect(await ask({ host: `${host}:${port}`, origin }, method)).toMatchObject(withCredentials(origin));
    }
  });

  it('to any other page may be read without credentials', async () => {
    const { port, ask } = await listening();
    const host = `127.0.0.1:${port}`;
    const foreign = [
      'null',
      '',
      'http://panel.example.com',
      'http://127.0.0.1',
      `http://127.0.0.1:${port + 1}`,
      `https://127.0.0.1:${port}`,
      `http://localhost:${port}`,
      `http://127.0.0.1:${port}.example.com`,
      `http://127.0.0.1.example.com:${port}`,
      `http://x.127.0.0.1:${port}`,
      `http://127.0.0.1:${port}@example.com`,
      `http://user@127.0.0.1:${port}`,
      `http://127.0.0.1:${port}/`,
      `http://127.0.0.1:${port}, http://example.com`,
      `HTTP://127.0.0.1:${port}`,
      `http://127.1:${port}`,
      `http://[::ffff:127.0.0.1]:${port}`,
    ];
    for (const origin of foreign) {
      for (const method of ['GET', 'OPTIONS']) {
        const headers = await ask({ host, origin }, method);
        expect([origin, headers['access-control-allow-origin']]).toEqual([origin, '*']);
        expect(headers).not.toHaveProperty('access-control-allow-credentials');
        expect(headers.vary).toBe('Origin');
      }
    }
  });

  it('is not widened by what a request says of where it is', async () => {
    const { port, ask } = await listening();
    const forged: [origin: string, headers: Headers][] = [
      ['http://example.com', { host: 'example.com' }],
      [`http://example.com:${port}`, { host: `example.com:${port}` }],
      [`http://localhost.example.com:${port}`, { host: `localhost.example.com:${port}` }],
      [`http://10.0.0.1:${port}`, { host: `10.0.0.1:${port}` }],
      [`http://127.0.0.2:${port}`, { host: `127.0.0.2:${port}` }],
      ['http://127.0.0.1', { host: '127.0.0.1' }],
      [`http://127.0.0.1:${port}@example.com`, { host: `127.0.0.1:${port}@example.com` }],
      [`https://127.0.0.1:${port}`, { 'x-forwarded-proto': 'https' }],
      ['http://example.com', { 'x-forwarded-host': 'example.com', forwarded: 'host=example.com' }],
      [`http://example.com:${port}`, { 'x-forwarded-host': `example.com:${port}` }],
    ];
    for (const [origin, headers] of forged) {
      const answer = await ask({ host: `127.0.0.1:${port}`, ...headers, origin });
      expect([origin, answer['access-control-allow-origin']]).toEqual([origin, '*']);
      expect(answer).not.toHaveProperty('access-control-allow-credentials');
    }
  });
});

it('over TLS the names of the certificate are this server’s own', async () => {
  const tls = certificate('cloud.example.com', 'other.example.com');
  const { port, ask } = await listening({ tls });
  const answer = (name: string, scheme = 'https') =>
    ask({ host: `${name}:${port}`, origin: `${scheme}://${name}:${port}` });
  for (const name of ['cloud.example.com', '127.0.0.1', 'localhost'])
    expect(await answer(name)).toMatchObject(withCredentials(`https://${name}:${port}`));
  for (const name of ['other.example.com', 'example.com', 'x.cloud.example.com'])
    expect(await answer(name)).toMatchObject({ 'access-control-allow-origin': '*' });
  expect(await answer('cloud.example.com', 'http')).toMatchObject({ 'access-control-allow-origin': '*' });
});
