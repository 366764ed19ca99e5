import { existsSync } from 'node:fs';
import { paths, poolName } from '../config.ts';
import type { IncusClient } from '../engine/compute/incus/client.ts';
import { withIncus } from './incus-setup.ts';
import { incusdPid, shutdownIncusd, startIncusd } from './incusd.ts';
import { detachLoops, removeByPath } from './remove-by-path.ts';

type Log = (line: string) => void;

/**
 * Removes all that this home's Incus has ever made: instances, networks, images, the pool, and incusd itself
 * with its mounts, loop devices, bridges and packet filter chains. Starts incusd where it does not run, since it
 * knows best; where it cannot be started, removes by path. Can be run again after an interruption.
 */
export async function removeEngine({ home, id }: { home: string; id: string }, log: Log): Promise<void> {
  const { incus: dir, incusSocket: socket, log: logDirectory } = paths(home);
  if (existsSync(`${dir}/database`)) {
    try {
      await startIncusd({ dir, group: 'root', logFile: `${logDirectory}/incusd.log` }, log);
      await withIncus(socket, (incus) => removeObjects(incus, log));
      await shutdownIncusd(dir, log);
    } catch (error) {
      log(`${String(error)}; removing by path`);
    }
  }
  const pid = incusdPid(dir);
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  await removeByPath({ dir, bridgePrefix: `at${id}` }, log);
  // Those that were in use when hostd was told to remove them went with the droplets.
  await detachLoops(paths(home).volumes, log);
}

async function removeObjects(incus: IncusClient, log: Log): Promise<void> {
  const instances = await incus.request<{ name: string; status: string }[]>(
    'GET',
    '/1.0/instances?recursion=1',
  );
  await eachLimited(instances, 4, async ({ name, status }) => {
    const path = `/1.0/instances/${name}`;
    if (status !== 'Stopped')
      await incus.request('PUT', `${path}/state`, { body: { action: 'stop', force: true, timeout: 30 } });
    // An ephemeral one is gone by now.
    if (await incus.find(path)) await incus.request('DELETE', path);
  });
  const images = await incus.request<string[]>('GET', '/1.0/images');
  for (const image of images) await incus.request('DELETE', image);
  const networks = await incus.request<{ name: string; managed: boolean }[]>(
    'GET',
    '/1.0/networks?recursion=1',
  );
  const managed = networks.filter((network) => network.managed);
  for (const { name } of managed) await incus.request('DELETE', `/1.0/networks/${name}`);
  const pool = `/1.0/storage-pools/${poolName}`;
  if (await incus.find(pool)) {
    const volumes = await incus.request<string[]>('GET', `${pool}/volumes/custom`);
    for (const volume of volumes) await incus.request('DELETE', volume);
    await incus.request('DELETE', pool);
  }
  log(`${instances.length} instances, ${images.length} images, ${managed.length} networks removed`);
}

/** Does `work` for every item, at most `width` at once. */
async function eachLimited<T>(items: T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
