/**
 * Disk snapshots: instances that never run, each a copy of a machine's disk. A copy in a btrfs pool shares its blocks
 * with the machine, so it takes no time and no room, and lives on when the machine is deleted.
 */
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute } from '../port.ts';
import type { IncusContext } from './context.ts';
import { says } from './errors.ts';
import { type IncusInstance, instancePath, isUnderWay, ownConfig, remove, rewrite } from './instances.ts';
import { bytesKey, engineName, portName, snapshotKey } from './spec.ts';

type Snapshots = Pick<Compute, 'snapshotDisk' | 'listSnapshots' | 'deleteSnapshot'>;

/** What is there under the name of a disk snapshot. Half-made ones, and others', are answered too. */
export const findSnapshot = (
  { client, id }: IncusContext,
  name: string,
): Promise<IncusInstance | undefined> => client.find(instancePath(engineName(id, name)));

/** Throws unless a disk snapshot can be made under this name; clears away one that was left half-made. */
export async function makeWay(
  { client }: IncusContext,
  name: string,
  there: IncusInstance,
  urn: string,
): Promise<void> {
  if (there.config[snapshotKey] !== urn)
    throw new EngineError('rejected', `incus: ${name} belongs to another owner`);
  if (await isUnderWay(client, there.name)) throw new EngineError('busy', `incus: ${name} is being made`);
  await remove(client, there.name);
}

export function diskSnapshots(context: IncusContext): Snapshots {
  const { client, id } = context;
  const find = (name: string) => findSnapshot(context, name);

  /** About what a disk takes: its own blocks, and those it shares with what it was made from. */
  async function bytesOf(machine: IncusInstance): Promise<number> {
    const image = machine.config['volatile.base_image'];
    const [state, origin] = await Promise.all([
      client.request<{ disk: Record<string, { usage: number }> | null }>(
        'GET',
        `${instancePath(machine.name)}/state`,
      ),
      image === undefined ? undefined : client.find<{ size: number }>(`/1.0/images/${image}`),
    ]);
    const shared = Number(machine.config[bytesKey] ?? origin?.size ?? 0);
    return shared + (state.disk?.['root']?.usage ?? 0);
  }

  /**
   * Copies the disk at one moment: of a machine that runs, it is what a power cut would leave. `bytes` is what the
   * machine's disk takes.
   */
  async function copy(machine: IncusInstance, name: string, urn: string): Promise<number> {
    // A copy has all that it is not told to have otherwise: it must not hold on to addresses and volumes.
    const others = Object.keys(machine.devices).filter((key) => key !== 'root');
    const atoll = Object.keys(machine.config).filter((key) => key.startsWith('user.atoll.'));
    const without = (keys: string[]) => Object.fromEntries(keys.map((key) => [key, '']));
    const [bytes] = await Promise.all([
      bytesOf(machine),
      client.request('POST', '/1.0/instances', {
        body: {
          name: engineName(id, name),
          type: 'container',
          profiles: [],
          // A snapshot of a btrfs subvolume is consistent without the machine being frozen.
          source: { type: 'copy', source: machine.name, instance_only: true, allow_inconsistent: true },
          config: { ...without([...atoll, 'raw.lxc']), [snapshotKey]: urn },
          devices: Object.fromEntries(others.map((key) => [key, { type: 'none' }])),
        },
      }),
    ]);
    const copied = await find(name);
    const root = copied?.devices['root'];
    if (!copied || !root) throw new EngineError('failed', `incus: ${name} has gone while it was made`);
    await rewrite(client, copied, {
      config: { ...ownConfig(copied), [snapshotKey]: urn, [bytesKey]: String(bytes) },
      devices: { root },
    });
    return bytes;
  }

  return {
    async snapshotDisk(name, { urn, name: snapshotName }) {
      const there = await find(snapshotName);
      const bytes = there?.config[snapshotKey] === urn && there.config[bytesKey];
      if (bytes) return { urn, name: snapshotName, bytes: Number(bytes) };
      if (there) await makeWay(context, snapshotName, there, urn);
      const machine = await context.complete(name);
      try {
        return { urn, name: snapshotName, bytes: await copy(machine, snapshotName, urn) };
      } catch (error) {
        if (says(error, /UNIQUE constraint failed: instances/))
          throw new EngineError('busy', `incus: ${snapshotName} is being made`, { cause: error });
        throw error;
      }
    },
    async listSnapshots() {
      const instances = await client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
      return instances.flatMap(({ name, config }) => {
        const { [snapshotKey]: urn, [bytesKey]: bytes } = config;
        return urn && bytes ? [{ urn, name: portName(name), bytes: Number(bytes) }] : [];
      });
    },
    async deleteSnapshot(name) {
      const there = await find(name);
      if (there?.config[snapshotKey]) await remove(client, there.name);
    },
  };
}
