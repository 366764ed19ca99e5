/** The limits of disks in a real pool: they hold, whatever was done to it, and a full disk is no dead end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { execute } from '../../src/engine/compute/incus/exec.ts';
import { incusCompute } from '../../src/engine/compute/incus/index.ts';
import type { IncusInstance } from '../../src/engine/compute/incus/instances.ts';
import { deniedKey, noSubvolumes } from '../../src/engine/compute/incus/spec.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import { ensureLimits } from '../../src/setup/pool-limits.ts';
import { hasSimpleQuotas, type PoolQuotas } from '../../src/setup/pool-quotas.ts';
import { startTestIncus, type TestIncus } from '../support/incus.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { engineOf, quotasOf } from './compute-lab.ts';
import { type EngineUnderTest, ensureNetworks, machineSpec } from './compute-under-test.ts';

const obstacle =
  (await whyNoIncus()) ?? (hasSimpleQuotas() === false ? 'the kernel has no simple quotas (6.7)' : undefined);

const gib = 2 ** 30;
const mib = 2 ** 20;
const force = { force: true, timeoutMs: 0 };
const size = (diskGib: number) => ({ vcpus: 1, memoryMib: 512, diskGib });

let incus: TestIncus;
let engine: EngineUnderTest;
let compute: Compute;
let quotas: PoolQuotas;

async function start(options: Parameters<typeof startTestIncus>[0]): Promise<void> {
  incus = await startTestIncus(options);
  engine = await engineOf(incus);
  compute = engine.compute;
  quotas = quotasOf(incus);
  await ensureNetworks(compute, machineSpec(engine, 11));
}

/** Writes from inside of a machine until `most` MiB are written or no more can be. Answers how many bytes it wrote. */
async function write(machine: string, file: string, most = 4096): Promise<number> {
  const dd = `dd if=/dev/zero of=${file} bs=1M count=${most} conv=fsync 2>/dev/null; stat -c %s ${file} 2>/dev/null || echo 0`;
  const { output } = await execute(incus.client, await incus.pathOf(machine), ['sh', '-c', dd]);
  return Number(output.trim());
}

/** Fills a disk to the last block. */
async function fill(machine: string, file = '/root/fill'): Promise<number> {
  const bytes = await write(machine, file);
  const rest = `dd if=/dev/zero of=${file}-rest bs=4k count=65536 conv=fsync 2>/dev/null; true`;
  await execute(incus.client, await incus.pathOf(machine), ['sh', '-c', rest]);
  return bytes;
}

/** The limits of all disks, in bytes, by their instance in Incus. */
async function limits(): Promise<Record<string, number | undefined>> {
  const disks = (await quotas.subvolumes()).filter(({ path }) => path.startsWith('containers/'));
  return Object.fromEntries(disks.map(({ path, limit }) => [path.slice(path.indexOf('-') + 1), limit]));
}

const groupOf = async (machine: string): Promise<string> =>
  (await quotas.subvolumes()).find(({ path }) => path.endsWith(`-${machine}`))?.group ?? '';

const initOf = async (machine: string) =>
  (await incus.client.request<{ pid: number }>('GET', `${await incus.pathOf(machine)}/state`)).pid;

describe('a new pool', unless(obstacle), () => {
  beforeAll(() => start({}), 60_000);
  afterAll(() => engine?.remove(), 60_000);

  test('holds a machine to its disk; a full one stops, starts, is kept, grows and is restored', async () => {
    expect(quotas.state()).toEqual({ mode: 'squota', inconsistent: false });
    await compute.create(machineSpec(engine, 11, { diskGib: 1 }));
    const written = await fill('droplet-11');
    expect(written).toBeGreaterThan(0.9 * gib);
    expect(written).toBeLessThanOrEqual(gib);

    // Without room for it the record of the machine cannot be written at a start.
    await compute.stop('droplet-11', force);
    const alone = incusCompute(incus);
    await expect(alone.start('droplet-11')).rejects.toMatchObject({ kind: 'exhausted' });
    await alone.close();
    await compute.start('droplet-11');
    expect(await compute.get('droplet-11')).toMatchObject({ state: 'running' });
    expect(await limits()).toEqual({ 'droplet-11': gib });
    expect(await write('droplet-11', '/root/more')).toBeLessThan(mib);
    await compute.setBoot('droplet-11', 2);

    const kept = await compute.snapshotDisk('droplet-11', { urn: 'do:image:5', name: 'image-5' });
    expect(kept.bytes).toBeGreaterThan(0.9 * gib);
    await compute.resize('droplet-11', size(2));
    expect(await limits()).toMatchObject({ 'droplet-11': 2 * gib });
    expect(await write('droplet-11', '/root/more', 100)).toBe(100 * mib);

    const restored = machineSpec(engine, 11, { diskGib: 2, source: { snapshot: 'image-5' }, root: 2 });
    await compute.replaceDisk(restored);
    await compute.start('droplet-11');
    expect(quotas.state()).toEqual({ mode: 'squota', inconsistent: false });
    expect(await limits()).toMatchObject({ 'droplet-11': 2 * gib });
    // Its first gibibyte is the disk snapshot's.
    const more = await write('droplet-11', '/root/again');
    expect(more).toBeGreaterThan(1.8 * gib);
    expect(more).toBeLessThanOrEqual(2 * gib);
    await compute.deleteSnapshot('image-5');
    await compute.delete('droplet-11');
  }, 90_000);

  test('a disk that has more than its limit allows can be grown', async () => {
    await compute.create(machineSpec(engine, 12, { diskGib: 1 }));
    await write('droplet-12', '/root/data', 300);
    await quotas.limit(await groupOf('droplet-12'), 100 * mib);
    const alone = incusCompute(incus);
    await expect(alone.resize('droplet-12', size(2))).rejects.toMatchObject({ kind: 'exhausted' });
    await alone.close();
    await compute.resize('droplet-12', size(2));
    expect(await limits()).toMatchObject({ 'droplet-12': 2 * gib });
    expect(await compute.get('droplet-12')).toMatchObject({ size: size(2) });
    expect(await write('droplet-12', '/root/more', 10)).toBe(10 * mib);
    await compute.delete('droplet-12');
  }, 60_000);
});

describe('a pool that was made before', unless(obstacle), () => {
  beforeAll(() => start({ quotas: 'old' }), 60_000);
  afterAll(() => engine?.remove(), 60_000);

  test('is made to count simply while its machines run, whenever that is interrupted', async () => {
    await compute.create(machineSpec(engine, 11, { diskGib: 1 }));
    await compute.create(machineSpec(engine, 12, { diskGib: 2 }));
    await compute.stop('droplet-12', force);
    await compute.snapshotDisk('droplet-11', { urn: 'do:image:5', name: 'image-5' });
    await write('droplet-11', '/root/data', 300);
    expect(quotas.state()).toMatchObject({ mode: 'qgroup' });
    const init = await initOf('droplet-11');

    const { client } = incus;
    let calls = 0;
    const dying: PoolQuotas = {
      ...quotas,
      limit: (group, bytes) =>
        ++calls === 2 ? Promise.reject(new Error('killed')) : quotas.limit(group, bytes),
    };
    await expect(ensureLimits({ incus: client, quotas: dying }, () => {})).rejects.toThrow('killed');
    expect(Object.values(await limits()).filter(Boolean)).toHaveLength(1);
    expect(await ensureLimits({ incus: client, quotas }, () => {})).toEqual({
      state: { mode: 'squota', inconsistent: false },
      converted: false,
      written: 2,
    });
    expect(await limits()).toEqual({ 'droplet-11': gib, 'droplet-12': 2 * gib, 'image-5': gib });
    expect(await ensureLimits({ incus: client, quotas }, () => {})).toMatchObject({ written: 0 });

    // A machine of before may make subvolumes, which no limit holds for: not from its next start on.
    const unlimited = await incus.pathOf('droplet-11');
    await client.request('PATCH', unlimited, { body: { config: { [deniedKey]: '' } } });
    const waiting = [{ urn: 'do:droplet:11', name: 'droplet-11', settings: [deniedKey] }];
    expect(await compute.outdated()).toEqual(waiting);
    await compute.renew();
    await compute.renew();
    expect(await compute.outdated()).toEqual(waiting);
    expect((await client.request<IncusInstance>('GET', unlimited)).config[deniedKey]).toBe(noSubvolumes);

    expect(await initOf('droplet-11')).toBe(init);
    const kept = await compute.snapshotDisk('droplet-11', { urn: 'do:image:6', name: 'image-6' });
    expect(kept.bytes).toBeGreaterThan(300 * mib);
    const written = await write('droplet-11', '/root/fill');
    expect(written).toBeGreaterThan(0.9 * gib);
    expect(written).toBeLessThanOrEqual(gib);
    for (const disk of ['image-5', 'image-6']) await compute.deleteSnapshot(disk);
    for (const machine of ['droplet-11', 'droplet-12']) await compute.delete(machine);
  }, 90_000);
});
