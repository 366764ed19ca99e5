import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { execute } from '../../src/engine/compute/incus/exec.ts';
import { incusCompute } from '../../src/engine/compute/incus/index.ts';
import { type IncusInstance, instancePath } from '../../src/engine/compute/incus/instances.ts';
import type { LimitDisk } from '../../src/engine/compute/incus/room.ts';
import { volumePath } from '../../src/engine/compute/incus/spec.ts';
import { run } from '../../src/hostd/exec.ts';
import { poolCare } from '../../src/hostd/pool.ts';
import { type PoolQuotas, poolQuotas } from '../../src/setup/pool-quotas.ts';
import type { TestIncus } from '../support/incus.ts';
import { type LoopDevice, loopDevice } from '../support/loop-device.ts';
import type { EngineUnderTest } from './compute-under-test.ts';

/** The quotas of a test's pool. */
export const quotasOf = ({ poolDirectory: directory }: TestIncus): PoolQuotas =>
  poolQuotas({ directory, run });

/** The compute port over a test's Incus, and the ways to change its world behind the port's back. */
export async function engineOf(incus: TestIncus): Promise<EngineUnderTest> {
  const { client } = incus;
  const stop = (path: string) =>
    client.request<void>('PUT', `${path}/state`, { body: { action: 'stop', force: true, timeout: 30 } });
  const loops = new Map<string, LoopDevice>();
  const pool = poolCare({ quotas: quotasOf(incus), clock: systemClock, log: () => {} });
  const limitDisk: LimitDisk = (instance, { bytes, room }) => pool.limit(instance, bytes, room);
  const compute = incusCompute({ ...incus, limitDisk });
  return {
    compute,
    image: incus.images.tiny,
    macPrefix: incus.macPrefix,
    publicIpv4: (host) => ({ address: `${incus.prefix}.${host}`, prefix: 24, gateway: `${incus.prefix}.1` }),
    stopBehindOurBack: async (name) => stop(await incus.pathOf(name)),
    ipv6Prefix: `fd${incus.id.slice(0, 2)}:${incus.id}`,
    readFile: async (name, path) => (await execute(client, await incus.pathOf(name), ['cat', path])).printed,
    imageFile: incus.imageFile,
    async volume(id) {
      const there = loops.get(id) ?? (await loopDevice(join(incus.directory, `${id}.img`)));
      loops.set(id, there);
      return { id, name: id.slice(-4), device: there.path };
    },
    async use(name, volume) {
      const sh = async (script: string) => {
        const command = ['sh', '-c', script];
        expect(await execute(client, await incus.pathOf(name), command)).toMatchObject({
          code: 0,
          output: '',
        });
      };
      await sh(`mount -t ext4 ${volumePath(volume.name)} /tmp`);
      await sh('cd /tmp; exec 0<&- 1>&- 2>&-; sleep 3600 & echo $! > /root/pid');
      return () => sh('read pid < /root/pid; kill $pid');
    },
    deleteBehindOurBack: async (name) => {
      const path = await incus.pathOf(name);
      await stop(path);
      await client.request('DELETE', path);
    },
    remove: async () => {
      await compute.close();
      for (const machine of await client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1'))
        if (machine.status !== 'Stopped') await stop(instancePath(machine.name));
      for (const loop of loops.values()) await loop.remove();
      await incus.remove();
    },
  };
}
