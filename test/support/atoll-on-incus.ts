/** A control plane in this process over a real Incus, with droplets that boot at once: their init is a shell script. */
import { join } from 'node:path';
import type { CloudContext } from '../../src/cloud/context.ts';
import { macOf } from '../../src/cloud/guest-ids.ts';
import { incusCompute } from '../../src/engine/compute/incus/index.ts';
import type { IncusInstance } from '../../src/engine/compute/incus/instances.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import type { Host } from '../../src/engine/node/port.ts';
import { startAtoll, type TestAtoll, type TestAtollOptions } from './atoll.ts';
import { removeStrayLinks, startTestIncus, type TestIncus } from './incus.ts';
import { tinyImage } from './incus-image.ts';
import { type LoopDevice, loopDevice } from './loop-device.ts';
import { byShortName, fullName, withoutNonce } from './names.ts';

export interface AtollOnIncus {
  atoll: TestAtoll;
  incus: TestIncus;
  compute: Compute;
  context: CloudContext;
  /** The URL in Incus of a droplet. */
  path(droplet: number): Promise<string>;
  /** What a file in a droplet's disk reads. */
  read(droplet: number, file: string): Promise<string>;
  write(droplet: number, file: string, content: string): Promise<void>;
  /** The names of all machines and disk snapshots in Incus, what is half-made included. */
  everything(): Promise<string[]>;
  close(): Promise<void>;
}

/**
 * `debian-12-x64` boots and `debian-13-x64` does not: its init says so and ends. Volumes are block devices of this host.
 */
export async function startAtollOnIncus(options: Omit<TestAtollOptions, 'real'> = {}): Promise<AtollOnIncus> {
  const incus = await startTestIncus();
  const { client, directory, id, prefix } = incus;
  const compute = withoutRule(incusCompute(incus));
  const broken = await tinyImage(directory, 'broken', 'echo no root filesystem; exit 1');
  await compute.importImage('debian-12', incus.imageFile);
  await compute.importImage('debian-13', broken);
  const volumes = realVolumes(directory);
  const context: CloudContext = {
    network: { ipv4: `${prefix}.0/24`, ipv6: `fd${id.slice(0, 2)}:${id}::/64`, nameservers: [] },
    imageHost: { mode: 'real', aliases: {}, available: ['debian-12', 'debian-13'] },
    hostMemoryMib: undefined,
  };
  const atoll = await startAtoll({
    ...options,
    wrap: { ...options.wrap, host: (host) => volumes.behind(options.wrap?.host?.(host) ?? host) },
    real: { compute, context },
  });
  const path = async (droplet: number) => incus.pathOf(await fullName(compute, `droplet-${droplet}`));
  const fileOf = async (droplet: number, file: string) => `${await path(droplet)}/files?path=${file}`;
  return {
    atoll,
    incus,
    compute: byShortName(compute),
    context,
    path,
    read: async (droplet, file) => client.text(await fileOf(droplet, file)),
    async write(droplet, file, content) {
      const headers = { 'X-Incus-type': 'file', 'X-Incus-mode': '0755' };
      await client.request('POST', await fileOf(droplet, file), { body: Buffer.from(content), headers });
    },
    async everything() {
      const all = await client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
      return all.map(({ name }) => withoutNonce(name.slice(name.indexOf('-') + 1))).sort();
    },
    async close() {
      const { db } = atoll.database.store;
      const droplets = await db
        .selectFrom('droplets')
        .select('id')
        .unionAll(db.selectFrom('machines').select('id'))
        .execute();
      const macs = new Set(droplets.flatMap((each) => [macOf(each.id, 0), macOf(each.id, 1)]));
      await atoll.close();
      await compute.close();
      await incus.remove();
      await removeStrayLinks((mac) => macs.has(mac));
      await volumes.remove();
    },
  };
}

/** Its pool is small: no rule is to keep from it what these tests want of the engine. */
const withoutRule = (compute: Compute): Compute => ({
  ...compute,
  async capacity() {
    const { pool: _, ...others } = await compute.capacity();
    return others;
  },
});

/** Gives the volumes of a simulated host a block device each. */
function realVolumes(directory: string) {
  const devices = new Map<string, Promise<LoopDevice>>();
  return {
    behind: (host: Host): Host => ({
      ...host,
      async ensureVolume(volume, may) {
        await host.ensureVolume(volume, may);
        const device = devices.get(volume.id) ?? loopDevice(join(directory, `${volume.id}.img`));
        devices.set(volume.id, device);
        return { device: (await device).path };
      },
    }),
    async remove() {
      for (const device of devices.values()) await (await device).remove();
    },
  };
}
