import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { HostDroplet } from '../../engine/node/port.ts';
import { closeServer } from '../listen.ts';
import { metadataServer } from './server.ts';

const droplet: Required<Omit<HostDroplet, 'ipv6'>> = {
  id: 7,
  mac: '0a:00:00:00:00:07',
  ipv4: '127.0.0.1',
  metadata: {
    droplet_id: 7,
    hostname: 'seven',
    vendor_data: '',
    public_keys: [],
    region: 'nyc3',
    interfaces: {},
    dns: { nameservers: [] },
    tags: [],
    features: {},
    floating_ip: { ipv4: { active: false } },
    reserved_ip: { ipv4: { active: false } },
  },
};

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Starts a service that knows one droplet, at 127.0.0.1; answers its port. */
async function serve(listenOn: string, known = '127.0.0.1'): Promise<number> {
  const server: Server = metadataServer((address) => (address === known ? droplet : undefined));
  server.listen(0, listenOn);
  await once(server, 'listening');
  cleanups.push(() => closeServer(server));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** Sends a text and answers all that comes back until the connection ends. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let received = '';
  for await (const chunk of socket) received += chunk.toString();
  return received;
}

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`;

it('knows the caller by its address, also where a dual-stack socket maps it into IPv6', async () => {
  for (const listenOn of ['127.0.0.1', '::']) {
    const port = await serve(listenOn);
    expect(await exchange(port, get('/metadata/v1/hostname?x=1'))).toMatch(
      /^HTTP\/1.1 200 [^]*\r\n\r\nseven$/,
    );
  }
});

it('has nothing for strangers, whatever they say of themselves', async () => {
  const port = await serve('127.0.0.1', '10.0.0.7');
  const claims = 'X-Forwarded-For: 10.0.0.7\r\nX-Real-IP: 10.0.0.7\r\nForwarded: for=10.0.0.7\r\n';
  for (const path of ['/metadata/v1.json', '/metadata/v1/', '/']) {
    expect(await exchange(port, get(path, claims))).toMatch(
      /^HTTP\/1.1 404 [^]*Content-Length: 0\r\n[^]*\r\n\r\n$/,
    );
  }
});

it('refuses to be written to', async () => {
  const port = await serve('127.0.0.1');
  const post = 'POST /metadata/v1/hostname HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc';
  expect(await exchange(port, post)).toMatch(/^HTTP\/1.1 405 [^]*Allow: GET, HEAD/);
});

it('holds at most twenty connections of a source', async () => {
  const port = await serve('127.0.0.1');
  const sockets: Socket[] = [];
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  let closed = 0;
  const cut = new Promise<void>((resolve) => {
    for (let count = 0; count < 25; count++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('close', () => {
        if (++closed === 5) resolve();
      });
      sockets.push(socket);
    }
  });
  await cut;
  expect(sockets.filter((socket) => !socket.destroyed)).toHaveLength(20);
});
