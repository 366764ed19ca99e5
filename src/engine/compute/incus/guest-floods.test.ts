/** What a machine's owner can make without an end is not read to its end. An Incus that does no more than answer. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { incusClient } from './client.ts';
import { execute } from './exec.ts';

let directory: string;
let server: Server;
let sent = 0;
const megabyte = Buffer.alloc(1024 ** 2, 'x');
const socketPath = () => join(directory, 'socket');

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'floods-'));
  sent = 0;
  const sockets = new WebSocketServer({ noServer: true });
  let flooded: Promise<void> = Promise.resolve();
  server = createServer((request, response) => {
    const answer = (body: object) => response.end(JSON.stringify(body));
    if (request.url?.startsWith('/1.0/instances/x/files')) {
      const flood = () => {
        if (response.destroyed || sent >= 64 * megabyte.length) return response.end();
        sent += megabyte.length;
        response.write(megabyte, flood);
      };
      return flood();
    }
    if (request.url === '/1.0/instances/x/exec') {
      const fds = { '0': 'in', '1': 'out', '2': 'err', control: 'control' };
      return answer({ type: 'async', operation: '/1.0/operations/1', metadata: { metadata: { fds } } });
    }
    return void flooded.then(() =>
      answer({ type: 'sync', metadata: { status_code: 200, err: '', metadata: { return: 0 } } }),
    );
  });
  server.on('upgrade', (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      if (request.url?.endsWith('secret=err')) return webSocket.close();
      if (!request.url?.endsWith('secret=out')) return;
      flooded = new Promise((resolve) => {
        const flood = () => {
          if (webSocket.readyState !== webSocket.OPEN || sent >= 64 * megabyte.length) {
            webSocket.close();
            return resolve();
          }
          sent += megabyte.length;
          webSocket.send(megabyte, flood);
        };
        flood();
      });
    }),
  );
  await new Promise<void>((resolve) => server.listen(socketPath(), resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true });
});

test('a file of any length', async () => {
  const client = incusClient({ socketPath: socketPath() });
  await expect(client.text('/1.0/instances/x/files?path=/etc/fstab')).rejects.toMatchObject({
    kind: 'failed',
    message: expect.stringMatching(/longer than 4194304 bytes/),
  });
  expect(sent).toBeLessThan(32 * megabyte.length);
  await client.close();
});

test('a command that does not stop to talk', async () => {
  const client = incusClient({ socketPath: socketPath() });
  const { code, output } = await execute(client, '/1.0/instances/x', ['sh']);
  expect(code).toBe(0);
  expect(output).toHaveLength(64 * 1024);
  expect(sent).toBeLessThan(32 * megabyte.length);
  await client.close();
});
