import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EngineError } from '../../src/base/engine-error.ts';
import { type IncusClient, incusClient } from '../../src/engine/compute/incus/client.ts';
import { instancePath } from '../../src/engine/compute/incus/instances.ts';
import { machinesOf } from '../../src/engine/compute/incus/machines.ts';
import { ensurePoolLimits } from '../../src/setup/incus-setup.ts';
import { removeChains } from '../../src/setup/remove-by-path.ts';
import { importTinyImage, living, tinyImage } from './incus-image.ts';

const run = promisify(execFile);
export const incusd = '/usr/libexec/incus/incusd';

/** A private incusd in a directory of its own, with a pool, a public bridge and a tiny image. */
export interface TestIncus {
  client: IncusClient;
  socketPath: string;
  /** Four hex digits: part of the names of its bridges. */
  id: string;
  pool: string;
  publicNetwork: string;
  /** The public range is `<prefix>.0/24`, its gateway `<prefix>.1`. */
  prefix: string;
  /** The first five bytes of MACs that nobody else has. */
  macPrefix: string;
  /** `stubborn` does not stop when it is asked to. */
  images: { tiny: string; stubborn: string };
  /** The file of an image that is none of `images`. */
  imageFile: string;
  directory: string;
  /** Where the pool is mounted. */
  poolDirectory: string;
  /** The URL of a machine, by the port's name of it. */
  pathOf(name: string): Promise<string>;
  /** Kills the daemon as a power cut would. */
  kill(): Promise<void>;
  /** Starts the daemon again after `kill`. */
  restart(): Promise<void>;
  /** Removes all that was made: instances, networks, pool, mounts, loop device, processes, directory. */
  remove(): Promise<void>;
}

/** Starts an incusd and makes what a compute engine needs in it. `quotas: 'old'` leaves the pool as Incus makes it. */
export async function startTestIncus({
  quotas = 'as up',
}: {
  quotas?: 'as up' | 'old';
} = {}): Promise<TestIncus> {
  const directory = await mkdtemp(join(tmpdir(), 'at-'));
  const socketPath = join(directory, 'unix.socket');
  const id = Math.floor(Math.random() * 0x10000)
    .toString(16)
    .padStart(4, '0');
  const prefix = `10.${64 + (Number.parseInt(id, 16) % 64)}.${Number.parseInt(id.slice(2), 16)}`;
  const publicNetwork = `at${id}pub`;
  const macPrefix = `10:66:6a:${id.slice(0, 2)}:${id.slice(2)}`;
  let daemon = await startDaemon(directory);
  const client = incusClient({ socketPath });

  const incus: TestIncus = {
    client,
    socketPath,
    id,
    pool: 'main',
    publicNetwork,
    prefix,
    macPrefix,
    images: { tiny: 'tiny', stubborn: 'stubborn' },
    imageFile: '',
    directory,
    poolDirectory: join(directory, 'storage-pools', 'main'),
    pathOf: async (name) => instancePath((await machinesOf(client, id).existing(name)).name),
    async kill() {
      const gone = once(daemon, 'exit');
      daemon.kill('SIGKILL');
      await gone;
    },
    async restart() {
      for (let tries = 5; ; tries--) {
        daemon = await startDaemon(directory);
        await ready(client);
        if (tries === 0 || (await hasNetworks(client))) return;
        await incus.kill();
      }
    },
    async remove() {
      // What cannot be removed must not keep the daemon alive; it is told at the end.
      const removed = await Promise.allSettled([removeObjects(client)]);
      const gone = once(daemon, 'exit');
      await run(incusd, ['shutdown', '--timeout', '20'], { env: environment(directory), timeout: 60_000 });
      await gone;
      await client.close();
      await unmountBelow(directory);
      await removeChains(`at${incus.id}`, () => {});
      await removeStrayLinks((mac) => mac.slice(3).startsWith(macPrefix.slice(3)));
      await rm(directory, { recursive: true, force: true });
      for (const result of removed) if (result.status === 'rejected') throw result.reason;
    },
  };
  try {
    await ready(client);
    await furnish(incus);
    if (quotas === 'as up')
      await ensurePoolLimits({ socket: socketPath, directory: incus.poolDirectory }, () => {});
    await importTinyImage(client, directory, incus.images.tiny, living('exit 0'));
    await importTinyImage(client, directory, incus.images.stubborn, living(':'));
    incus.imageFile = await tinyImage(directory, 'other', living('exit 0'));
    return incus;
  } catch (error) {
    await incus.remove();
    throw error;
  }
}

/** Makes the pool and the public bridge. */
async function furnish({ client, id, pool, publicNetwork, prefix }: TestIncus): Promise<void> {
  const size = '4GiB';
  await client.request('POST', '/1.0/storage-pools', {
    body: { name: pool, driver: 'btrfs', config: { size } },
  });
  const config = {
    'ipv4.address': `${prefix}.1/24`,
    'ipv4.nat': 'true',
    'ipv4.dhcp': 'false',
    'ipv6.address': `fd${id.slice(0, 2)}:${id}::1/64`,
  };
  const body = { name: publicNetwork, type: 'bridge', config };
  await patiently(() => client.request('POST', '/1.0/networks', { body }));
}

/** Tries again while Incus is busy: bridges stumble over what another daemon on this machine starts or stops. */
export async function patiently(act: () => Promise<unknown>): Promise<void> {
  for (let tries = 10; ; tries--)
    try {
      await act();
      return;
    } catch (error) {
      if (tries === 0 || !(error instanceof EngineError) || error.kind !== 'busy') throw error;
      await delay(100);
    }
}

function environment(directory: string): NodeJS.ProcessEnv {
  return { ...process.env, INCUS_DIR: directory };
}

async function startDaemon(directory: string): Promise<ChildProcess> {
  const daemon = spawn(incusd, ['--group', 'root', '--logfile', join(directory, 'incusd.log')], {
    env: environment(directory),
    stdio: 'ignore',
  });
  await once(daemon, 'spawn');
  return daemon;
}

async function ready(client: IncusClient): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      await client.request('GET', '/1.0/storage-pools');
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(50);
    }
  }
}

/**
 * Whether its networks are up. A start stumbles over what another daemon on this machine starts or stops, and brings up
 * what has failed a minute later.
 */
async function hasNetworks(client: IncusClient): Promise<boolean> {
  const networks = await client.request<{ status: string }[]>('GET', '/1.0/networks?recursion=1');
  return networks.every(({ status }) => status !== 'Unavailable');
}

async function removeObjects(client: IncusClient): Promise<void> {
  for (const url of await client.request<string[]>('GET', '/1.0/instances')) {
    const { status } = await client.request<{ status: string }>('GET', url);
    if (status !== 'Stopped')
      await client.request('PUT', `${url}/state`, { body: { action: 'stop', force: true, timeout: 30 } });
    await client.request('DELETE', url);
  }
  const networks = await client.request<{ name: string; managed: boolean }[]>(
    'GET',
    '/1.0/networks?recursion=1',
  );
  for (const { name, managed } of networks)
    if (managed) await patiently(() => client.request('DELETE', `/1.0/networks/${name}`));
  for (const url of await client.request<string[]>('GET', '/1.0/images')) await client.request('DELETE', url);
  for (const url of await client.request<string[]>('GET', '/1.0/storage-pools'))
    await client.request('DELETE', url);
}

async function unmountBelow(directory: string): Promise<void> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const below = mounts
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${directory}/`));
  for (const path of below.reverse()) await run('umount', ['-l', path]);
}

/**
 * An incusd that is killed while it starts or stops a machine leaves the pairs of its network interfaces behind. Those
 * with such an address that are attached to no bridge are removed.
 */
export async function removeStrayLinks(isOurs: (mac: string) => boolean): Promise<void> {
  const { stdout } = await run('ip', ['-j', 'link', 'show', 'type', 'veth']);
  const links: { ifname: string; address: string; master?: string }[] = JSON.parse(stdout || '[]');
  for (const { ifname, address, master } of links)
    if (!master && isOurs(address)) await run('ip', ['link', 'del', ifname]);
}
