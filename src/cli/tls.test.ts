import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Config } from '../config.ts';
import { applyOptions, configure } from './configure.ts';
import { publicUrl } from './endpoint.ts';
import { request } from './request.ts';
import { bundleFile, certificateNames, ensureTls } from './tls.ts';

let home: string;
let config: Config;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'attls-'));
  config = (await configure(home, { simulated: true })).config;
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

const listening = (host: string) => applyOptions(config, { listen: host }).config;
const noUser = { user: undefined };

test('loopback needs no TLS', async () => {
  expect(await ensureTls(home, config, noUser)).toBeUndefined();
});

test('any other address gets a certificate of an own authority, which clients can check', async () => {
  const tls = await ensureTls(home, listening('0.0.0.0'), noUser);
  if (!tls?.ca) throw new Error('no authority of its own');
  expect(statSync(tls.key).mode & 0o777).toBe(0o400);
  expect(readFileSync(bundleFile(home), 'utf8')).toContain(readFileSync(tls.ca, 'utf8'));

  const server = createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, (_, response) => {
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  try {
    const ca = readFileSync(tls.ca, 'utf8');
    expect((await request(`https://127.0.0.1:${port}/`, { ca })).status).toBe(200);
    expect((await request(`https://localhost:${port}/`, { ca })).status).toBe(200);
    await expect(request(`https://127.0.0.1:${port}/`)).rejects.toThrow(/certificate/);
  } finally {
    server.close();
  }
});

test('authority and certificate are kept; another address makes another certificate only', async () => {
  const read = (name: string) => readFileSync(join(home, 'tls', name), 'utf8');
  await ensureTls(home, listening('10.1.2.3'), noUser);
  const [ca, server] = [read('ca.pem'), read('server.pem')];
  await ensureTls(home, listening('10.1.2.3'), noUser);
  expect([read('ca.pem'), read('server.pem')]).toEqual([ca, server]);
  await ensureTls(home, listening('10.1.2.4'), noUser);
  expect(read('ca.pem')).toBe(ca);
  expect(read('server.pem')).not.toBe(server);
});

test('a given certificate is taken over, kept later, and names the URL', async () => {
  const own = await ensureTls(home, listening('10.1.2.3'), noUser);
  if (!own) throw new Error('no certificate');
  const tls = await ensureTls(home, config, { ...noUser, cert: own.cert, key: own.key });
  expect(tls).toEqual({ cert: join(home, 'tls/given.pem'), key: join(home, 'tls/given.key') });
  const kept = { ...config, tls };
  expect(await ensureTls(home, kept, noUser)).toEqual(tls);
  expect(publicUrl(kept)).toMatch(/^https:\/\/[a-z]/);
  await expect(ensureTls(home, config, { ...noUser, cert: own.cert })).rejects.toThrow(/go together/);
});

test('a certificate is good for this machine by every usual name', () => {
  expect(certificateNames('10.1.2.3')).toEqual(
    expect.arrayContaining(['localhost', '127.0.0.1', '::1', '10.1.2.3']),
  );
});
