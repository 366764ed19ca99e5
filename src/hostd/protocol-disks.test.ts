import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type HostdHost, hostdHost } from '../engine/node/hostd/host.ts';
import { NoDisk } from './pool.ts';
import { type ProtocolParts, protocolServer } from './protocol.ts';

let directory: string;
let server: Server;
let host: HostdHost;
let asked: unknown[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-hostd-'));
  asked = [];
  const pool = {
    async limit(...args: unknown[]) {
      if (args[0] === 'at0a1b-droplet-9') throw new NoDisk('there is no such disk');
      asked.push(args);
    },
  };
  server = protocolServer({ pool } as unknown as ProtocolParts);
  const socketPath = join(directory, 'socket');
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  host = hostdHost({ socketPath });
});
afterEach(async () => {
  await host.close();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

test('the control plane has the disk of an instance limited', async () => {
  await host.limitDisk('at0a1b-droplet-5', { bytes: 2 ** 30, room: true });
  await host.limitDisk('at0a1bn-droplet-5', { bytes: 2 ** 31, room: false });
  expect(asked).toEqual([
    ['at0a1b-droplet-5', 2 ** 30, true],
    ['at0a1bn-droplet-5', 2 ** 31, false],
  ]);
});

test.each([
  ['a disk that is not there', 'at0a1b-droplet-9', { bytes: 2 ** 30, room: true }],
  ['a name that leads elsewhere', 'at0a1b-x%2F..%2F..', { bytes: 2 ** 30, room: true }],
  ['no whole number of bytes', 'at0a1b-droplet-5', { bytes: 2 ** 30 + 0.5, room: true }],
  ['next to nothing', 'at0a1b-droplet-5', { bytes: 1, room: false }],
])('%s is refused', async (_, instance, limit) => {
  await expect(host.limitDisk(instance, limit)).rejects.toMatchObject({ kind: 'rejected' });
  expect(asked).toEqual([]);
});
