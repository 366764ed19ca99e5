/** An Atoll on this machine for a file of end-to-end tests: brought up before, destroyed after. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import { atollCli, mustAtoll } from './cli.ts';
import { type RemoteClient, remoteClient } from './remote-client.ts';

export interface RealAtoll {
  home: string;
  /** Part of the names of its bridges and tables. */
  id: string;
  api: RemoteClient;
  /** Runs a command of the launcher and throws unless it succeeds. */
  atoll(...args: string[]): Promise<string>;
  destroy(): Promise<void>;
}

/** `up` in a home of its own, on a port that is free. Images and packages come from the machine's cache. */
export async function startRealAtoll(): Promise<RealAtoll> {
  // `up` makes it, so that it is what a person gets.
  const home = join(tmpdir(), `at-${randomBytes(4).toString('hex')}`);
  const atoll = mustAtoll(home);
  await atoll('up', '--port', String(await freePort()));
  return {
    home,
    id: readConfig(home).id,
    api: remoteClient(await atoll('env')),
    atoll,
    async destroy() {
      await atollCli(home)('destroy', '--yes', '--keep-cache');
    },
  };
}

/** A port of the loopback address that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
