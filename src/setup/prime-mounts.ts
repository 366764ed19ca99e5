import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { poolName } from '../config.ts';
import type { IncusClient } from '../engine/compute/incus/client.ts';
import { instancePath } from '../engine/compute/incus/instances.ts';
import { engineName, mountInterception } from '../engine/compute/incus/spec.ts';
import { run } from './command.ts';
import { withIncus } from './incus-setup.ts';

/** The filesystems of volumes, each as small as it can be made. */
const filesystems: Record<string, { mib: number; options: string[] }> = {
  ext4: { mib: 2, options: ['-q', '-F', '-O', '^has_journal'] },
  xfs: { mib: 300, options: ['-q', '-f'] },
};

/** How long the container may run. */
const deadlineMs = 10_000;

/** What runs in the container instead of an init: it says whether files on each filesystem are its own. */
const script = `mkdir -p /mnt
for type in ${Object.keys(filesystems).join(' ')}; do
  mount -i -t $type /dev/prime-$type /mnt && [ "$(stat -c %u /mnt)" = 0 ] || exit
done
echo yes > /prime/outcome
`;

/**
 * Lets Incus find out that droplets can mount volumes. It tries that with the first mount of each type that any
 * container asks for, and remembers what came of it for as long as it runs: a first one that fails, of a device that
 * holds no such filesystem, spoils the volumes of all droplets, whose files are nobody's then. So a container of ours
 * asks first, with filesystems that are good. It has an empty disk, the host's programs, and ends by itself.
 * Works in `directory`, which is its own. Throws where Incus does not find it out; all else is as good as before.
 */
export async function primeMounts(options: { socket: string; id: string; directory: string }): Promise<void> {
  const { socket, id, directory } = options;
  const name = engineName(id, 'prime');
  const devices: string[] = [];
  await withIncus(socket, async (incus) => {
    await remove(incus, name);
    try {
      for (const type of Object.keys(filesystems)) devices.push(await makeDevice(type, directory));
      const outcome = join(directory, 'outcome');
      await writeFile(join(directory, 'script'), script);
      await writeFile(outcome, '');
      // The container's root is somebody else here.
      await chmod(outcome, 0o666);
      await incus.request('POST', '/1.0/instances', { body: container(name, directory, devices) });
      if (!(await answer(incus, name, outcome))) throw new Error('a container cannot mount ext4 and XFS');
    } catch (error) {
      await remove(incus, name);
      throw error;
    } finally {
      // A device that is mounted still goes when it is not.
      for (const device of devices) await run('losetup', ['--detach', device]);
      await rm(directory, { recursive: true, force: true });
    }
  });
}

/** A block device that holds a filesystem of this type. */
async function makeDevice(type: string, directory: string): Promise<string> {
  const { mib = 0, options = [] } = filesystems[type] ?? {};
  const file = join(directory, type);
  await mkdir(directory, { recursive: true });
  await run('truncate', ['--size', `${mib}M`, file]);
  await run(`mkfs.${type}`, [...options, file]);
  return (await run('losetup', ['--find', '--show', file])).stdout.trim();
}

/** The container, which starts at once, and is gone when it has ended. */
function container(name: string, directory: string, devices: string[]) {
  const programs = Object.entries({ usr: '/usr', bin: '/usr/bin', lib: '/usr/lib', lib64: '/usr/lib64' });
  const types = Object.keys(filesystems);
  return {
    name,
    type: 'container',
    start: true,
    ephemeral: true,
    profiles: [],
    source: { type: 'none' },
    config: {
      ...mountInterception,
      'security.nesting': 'true',
      'raw.lxc': 'lxc.cap.drop = sys_resource\nlxc.init.cmd = /usr/bin/sh /prime/script\n',
    },
    devices: {
      root: { type: 'disk', pool: poolName, path: '/' },
      // It may have gone when the container is cleared away.
      prime: { type: 'disk', source: directory, path: '/prime', required: 'false' },
      ...Object.fromEntries(
        programs.map(([key, source]) => [key, { type: 'disk', source, path: `/${key}`, readonly: 'true' }]),
      ),
      ...Object.fromEntries(
        types.map((type, at) => [
          type,
          { type: 'unix-block', source: devices[at], path: `/dev/prime-${type}` },
        ]),
      ),
    },
  };
}

/** Waits for what the container says in the end, however long it then takes to go. */
async function answer(incus: IncusClient, name: string, outcome: string): Promise<string> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const isThere = await incus.find(instancePath(name));
    const text = await readFile(outcome, 'utf8');
    if (text || !isThere) return text;
    if (performance.now() > deadline) throw new Error(`${name} does not end`);
    await delay(10);
  }
}

/** Also one that a killed `up` has left. */
async function remove(incus: IncusClient, name: string): Promise<void> {
  if (!(await incus.find(instancePath(name)))) return;
  const body = { action: 'stop', force: true, timeout: 10 };
  // It may have stopped, or gone, by itself meanwhile.
  await incus.request('PUT', `${instancePath(name)}/state`, { body }).catch(() => {});
  await incus.request('DELETE', instancePath(name)).catch(() => {});
}
