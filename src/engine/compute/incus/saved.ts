/**
 * Kept disks: instances that never run, each a copy of a machine's disk. A copy in a btrfs pool shares its blocks
 * with the machine, so it takes no time and no room, and lives on when the machine is deleted.
 */
import { EngineError } from '../../errors.ts';
import type { Compute, SavedDisk } from '../port.ts';
import type { IncusContext } from './context.ts';
import { isNotFound, says } from './errors.ts';
import { type IncusInstance, isUnderWay, ownConfig, rewrite } from './instances.ts';
import { bytesKey, engineName, portName, savedKey } from './spec.ts';

/** The snapshot that a disk is copied from. Taken of a machine that runs, it is what a power cut would leave. */
const snapshot = 'saving';

type Saved = Pick<Compute, 'save' | 'listSaved' | 'deleteSaved'>;

export function savedDisks(context: IncusContext): Saved {
  const { client, id, path, find } = context;

  async function remove(url: string): Promise<void> {
    try {
      await client.request('DELETE', url);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** About what a disk takes: its own blocks, and those it shares with what it was made from. */
  async function bytesOf(machine: IncusInstance): Promise<number> {
    const state = await client.request<{ disk: Record<string, { usage: number }> | null }>(
      'GET',
      `${path(portName(machine.name))}/state`,
    );
    const image = machine.config['volatile.base_image'];
    const origin =
      image === undefined ? undefined : await client.find<{ size: number }>(`/1.0/images/${image}`);
    const shared = Number(machine.config[bytesKey] ?? origin?.size ?? 0);
    return shared + (state.disk?.['root']?.usage ?? 0);
  }

  /** Throws unless a kept disk can be made under this name; clears away one that was left half-made. */
  async function makeWay(name: string, there: IncusInstance, urn: string): Promise<void> {
    if (there.config[savedKey] !== urn)
      throw new EngineError('rejected', `incus: ${name} belongs to another owner`);
    if (await isUnderWay(client, there.name)) throw new EngineError('busy', `incus: ${name} is being made`);
    await remove(path(name));
  }

  async function copy(machine: IncusInstance, disk: SavedDisk): Promise<void> {
    // A copy has all that it is not told to have otherwise: it must not hold on to addresses and volumes.
    const others = Object.keys(machine.devices).filter((key) => key !== 'root');
    const atoll = Object.keys(machine.config).filter((key) => key.startsWith('user.atoll.'));
    const without = (keys: string[]) => Object.fromEntries(keys.map((key) => [key, '']));
    await client.request('POST', '/1.0/instances', {
      body: {
        name: engineName(id, disk.name),
        type: 'container',
        profiles: [],
        source: { type: 'copy', source: `${machine.name}/${snapshot}` },
        config: { ...without([...atoll, 'raw.lxc']), [savedKey]: disk.urn },
        devices: Object.fromEntries(others.map((key) => [key, { type: 'none' }])),
      },
    });
    const copied = await find(disk.name);
    const root = copied?.devices['root'];
    if (!copied || !root) throw new EngineError('failed', `incus: ${disk.name} has gone while it was made`);
    await rewrite(client, copied, {
      config: { ...ownConfig(copied), [savedKey]: disk.urn, [bytesKey]: String(disk.bytes) },
      devices: { root },
    });
  }

  return {
    async save(name, { urn, name: savedName }) {
      const there = await find(savedName);
      if (there?.config[savedKey] === urn && there.config[bytesKey]) return;
      if (there) await makeWay(savedName, there, urn);
      const machine = await context.complete(name);
      const snapshots = `${path(name)}/snapshots`;
      // Left over from a save that died.
      await remove(`${snapshots}/${snapshot}`);
      const bytes = await bytesOf(machine);
      await client.request('POST', snapshots, { body: { name: snapshot, stateful: false } });
      try {
        await copy(machine, { urn, name: savedName, bytes });
      } catch (error) {
        if (says(error, /UNIQUE constraint failed: instances/))
          throw new EngineError('busy', `incus: ${savedName} is being made`, { cause: error });
        throw error;
      } finally {
        await remove(`${snapshots}/${snapshot}`);
      }
    },
    async listSaved() {
      const instances = await client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
      return instances.flatMap(({ name, config }) => {
        const { [savedKey]: urn, [bytesKey]: bytes } = config;
        return urn && bytes ? [{ urn, name: portName(name), bytes: Number(bytes) }] : [];
      });
    },
    async deleteSaved(name) {
      const there = await find(name);
      if (there?.config[savedKey]) await remove(path(name));
    },
  };
}
