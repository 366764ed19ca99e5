/** A running Atoll that is told to listen where it cannot runs on as it was. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { atollCli, mustAtoll } from '../support/cli.ts';
import { freePort } from '../support/real-atoll.ts';
import { remoteClient } from '../support/remote-client.ts';

const home = mkdtempSync(join(tmpdir(), 'at-address-'));
const atoll = atollCli(home);
const taken = createServer();

beforeAll(async () => {
  taken.listen({ host: '127.0.0.1', port: 0 });
  await once(taken, 'listening');
  await mustAtoll(home)('up', '--simulated', '--port', String(await freePort()));
});
afterAll(async () => {
  taken.close();
  await atoll('destroy', '--yes', '--keep-cache');
  rmSync(home, { recursive: true, force: true });
});

it.each<[what: string, options: () => string[], problem: RegExp]>([
  [
    'an address of another machine',
    () => ['--listen', '192.0.2.254'],
    /192\.0\.2\.254 is no address of this/,
  ],
  ['a port of another program', () => ['--port', String(portOf(taken))], /is in use by another program/],
])('%s', async (_what, options, problem) => {
  const before = readFileSync(join(home, 'config.json'), 'utf8');
  const { code, stderr } = await atoll('up', ...options());
  expect(stderr).toMatch(problem);
  expect(code).toBe(1);
  expect(readFileSync(join(home, 'config.json'), 'utf8')).toBe(before);
  await remoteClient((await atoll('env')).stdout).expect(200, 'GET', '/v2/account');
});

it('another address of its own, at the port it has', async () => {
  await mustAtoll(home)('up', '--listen', '127.0.0.2');
  await remoteClient((await atoll('env')).stdout).expect(200, 'GET', '/v2/account');
});

const portOf = (server: typeof taken): number => (server.address() as AddressInfo).port;
