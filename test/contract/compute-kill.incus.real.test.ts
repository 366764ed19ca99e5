/** An incusd that is killed in the middle of what makes disks: the next tries end in the world of an undisturbed run. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { execute } from '../../src/engine/compute/incus/exec.ts';
import type { IncusInstance } from '../../src/engine/compute/incus/instances.ts';
import { machinesOf } from '../../src/engine/compute/incus/machines.ts';
import { engineName, madeKey, portName, volumeKey, volumePath } from '../../src/engine/compute/incus/spec.ts';
import type { Compute, VolumeAttachment } from '../../src/engine/compute/port.ts';
import { sample } from '../support/campaign.ts';
import { startTestIncus, type TestIncus } from '../support/incus.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { engineOf } from './compute-lab.ts';
import { type EngineUnderTest, ensureNetworks, machineSpec } from './compute-under-test.ts';

const disk = { urn: 'do:image:5', name: 'image-5' };
const force = { force: true, timeoutMs: 0 };
/** A daemon that could not bring a network up when it started tries again after a minute. */
const patienceMs = 90_000;
const timeoutMs = 150_000;

describe('incusd is killed', unless(await whyNoIncus()), () => {
  let incus: TestIncus;
  let engine: EngineUnderTest;
  let compute: Compute;
  beforeAll(async () => {
    incus = await startTestIncus();
    engine = await engineOf(incus);
    compute = engine.compute;
    await ensureNetworks(compute, machineSpec(engine, 21));
  }, 60_000);
  afterAll(() => engine?.remove(), 60_000);
  afterEach(async () => {
    for (const { name } of await compute.list()) await compute.delete(name);
    await compute.deleteSnapshot(disk.name);
    const left = await incus.client.request<string[]>('GET', '/1.0/instances');
    if (left.length > 0) throw new Error(`left over: ${left.join(', ')}`);
  });

  /** Kills the daemon at a moment of `act`, starts it again and acts until it works, as a control loop does. */
  async function killed(moment: () => Promise<unknown>, act: () => Promise<void>): Promise<void> {
    const first = act().catch((error: unknown) => error);
    await moment();
    await incus.kill();
    await first;
    await incus.restart();
    const deadline = Date.now() + patienceMs;
    for (;;)
      try {
        return await act();
      } catch (error) {
        if (Date.now() > deadline || !(error instanceof EngineError) || error.kind === 'rejected')
          throw error;
        await delay(100);
      }
  }

  const after = (ms: number) => () => delay(ms);
  /** So many ms after the disk of this generation has been made for machine 21, beside the old one. */
  const made = (root: number, ms: number) => async () => {
    const isMade = async () => {
      const { machine, replacement } = await both();
      return (replacement ?? machine)?.config[madeKey]?.startsWith(`${root} `) ?? false;
    };
    await until(isMade, 10_000, 'there is a new disk', 1);
    await delay(ms);
  };
  const both = () => machinesOf(incus.client, incus.id).findBoth('droplet-21');
  /** All that is in Incus, by the port's names. */
  const names = async () => {
    const all = await incus.client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
    return all.map(({ name }) => portName(name)).sort();
  };

  /** Makes machine 21, and keeps a disk of it that has root's password. */
  async function create21(): Promise<void> {
    await compute.create(machineSpec(engine, 21));
    await compute.setRootPassword('droplet-21', 'mark');
    await compute.snapshotDisk('droplet-21', disk);
  }

  /** Kills the daemon while machine 21 gets that disk; it runs in the end. */
  async function replaceKilled(moment: () => Promise<unknown>, root: number): Promise<void> {
    const spec = machineSpec(engine, 21, { source: { snapshot: disk.name }, root, diskGib: 9 + root });
    const before = (await both()).machine?.name;
    await killed(moment, async () => {
      expect(await compute.get('droplet-21')).toMatchObject({ urn: 'do:droplet:21' });
      await compute.replaceDisk(spec);
    });
    expect(await compute.list()).toMatchObject([
      { name: 'droplet-21', state: 'stopped', root, size: { diskGib: 9 + root } },
    ]);
    expect((await both()).machine?.name).not.toBe(before);
    await compute.start('droplet-21');
    expect(await passwordOf('droplet-21')).toBe('root:mark\n');
  }

  // The delays, in ms, hit the copy and its record.
  test.each(sample([5, 30, 70], 1))(
    '%i ms into a snapshot: it is there, once, and whole',
    async (ms) => {
      await compute.create(machineSpec(engine, 21));
      await compute.setRootPassword('droplet-21', 'mark');
      await killed(after(ms), async () => {
        await compute.snapshotDisk('droplet-21', disk);
      });
      expect(await compute.listSnapshots()).toMatchObject([disk]);
      expect(await compute.list()).toMatchObject([{ name: 'droplet-21', state: 'running' }]);
      const snapshots = `${await incus.pathOf('droplet-21')}/snapshots`;
      expect(await incus.client.request('GET', snapshots)).toEqual([]);
      await compute.create(machineSpec(engine, 22, { source: { snapshot: disk.name } }));
      expect(await passwordOf('droplet-22')).toBe('root:mark\n');
    },
    timeoutMs,
  );

  test.each(sample([10, 60], 1))(
    '%i ms into a create from a disk snapshot: the machine can be had',
    async (ms) => {
      await compute.create(machineSpec(engine, 21));
      await compute.snapshotDisk('droplet-21', disk);
      await killed(after(ms), async () => {
        const spec = machineSpec(engine, 22, { source: { snapshot: disk.name } });
        await compute.create(spec);
        // What a control loop does with a machine that it finds stopped.
        if ((await compute.get(spec.name))?.state === 'stopped') await compute.start(spec.name);
      });
      expect(await compute.get('droplet-22')).toMatchObject({ state: 'running' });
    },
    timeoutMs,
  );

  // The delays, in ms, hit the making of the new disk and the stop.
  test.each(sample([20, 100, 400], 1))(
    '%i ms into the replacement of a disk: the machine is there all the time, and gets its disk',
    async (ms) => {
      await create21();
      await replaceKilled(after(ms), 2);
      expect(await names()).toEqual(['droplet-21', 'image-5']);
    },
    timeoutMs,
  );

  // The delays, in ms, hit the deletion of the old disk, and what makes the new one the machine's.
  test.each(sample([5, 25, 45], 1))(
    '%i ms after a new disk has been made, twice: the machine has it',
    async (ms) => {
      await create21();
      for (const root of [2, 3]) {
        await compute.stop('droplet-21', force);
        await replaceKilled(made(root, ms), root);
        expect(await names()).toEqual(['droplet-21', 'image-5']);
      }
    },
    60_000,
  );

  test('a machine with a new disk is like any other for snapshots, resizes, volumes and deletion', async () => {
    await create21();
    await replaceKilled(made(2, 30), 2);
    await compute.deleteSnapshot(disk.name);
    await killed(after(30), async () => {
      await compute.snapshotDisk('droplet-21', disk);
    });
    const size = { vcpus: 2, memoryMib: 1024, diskGib: 20 };
    await killed(after(5), () => compute.resize('droplet-21', size));
    const volume = await engine.volume('506f78a4-e098-11e5-ad9f-000f53306ae1');
    await killed(after(10), () => compute.attachVolume('droplet-21', volume));
    expect(await compute.list()).toMatchObject([{ name: 'droplet-21', state: 'running', size }]);
    await seenUntilDetached(volume);
    await compute.create(machineSpec(engine, 21));
    expect(await names()).toEqual(['droplet-21', 'image-5']);
    await compute.create(machineSpec(engine, 22, { source: { snapshot: disk.name } }));
    expect(await passwordOf('droplet-22')).toBe('root:mark\n');
    await compute.stop('droplet-21', force);
    await killed(after(10), () => compute.delete('droplet-21'));
    expect(await compute.get('droplet-21')).toBeUndefined();
    expect(await names()).toEqual(['droplet-22', 'image-5']);
  }, 60_000);

  // The delays, in ms, hit the making of the device, and what has it appear inside.
  test.each(sample([8, 10, 12], 1))(
    '%i ms into an attach: the volume is there, and gone after its detach',
    async (ms) => {
      await compute.create(machineSpec(engine, 21));
      const volume = await engine.volume('506f78a4-e098-11e5-ad9f-000f53306ae1');
      await killed(after(ms), () => compute.attachVolume('droplet-21', volume));
      expect(await compute.get('droplet-21')).toMatchObject({ state: 'running', volumes: [volume.id] });
      await seenUntilDetached(volume);
    },
    timeoutMs,
  );

  // The moment between the two that the delays above seldom hit: the device is made, and mounted nowhere.
  test(
    'a volume whose device was made and never mounted is there, too, and gone after its detach',
    async () => {
      await compute.create(machineSpec(engine, 21));
      const volume = await engine.volume('506f78a4-e098-11e5-ad9f-000f53306ae1');
      const encoded = (text: string) => text.replaceAll('-', '--').replaceAll('/', '-');
      const file = `unix.${encoded(volumeKey(volume.id))}.${encoded(volumePath(volume.name).slice(1))}`;
      const path = join(incus.directory, 'devices', engineName(incus.id, 'droplet-21'), file);
      await writeFile(path, '');
      await compute.attachVolume('droplet-21', volume);
      expect(await compute.get('droplet-21')).toMatchObject({ state: 'running', volumes: [volume.id] });
      await seenUntilDetached(volume);
    },
    timeoutMs,
  );

  test(
    'a replacement that was never finished goes with its machine',
    async () => {
      await compute.create(machineSpec(engine, 21));
      const replacing = compute
        .replaceDisk(machineSpec(engine, 21, { root: 2 }))
        .catch((error: unknown) => error);
      await delay(100);
      await incus.kill();
      await replacing;
      await incus.restart();
      await compute.stop('droplet-21', force);
      await compute.delete('droplet-21');
      expect(await compute.get('droplet-21')).toBeUndefined();
    },
    timeoutMs,
  );

  /** That an attached volume can be read inside, can be attached again, and detached. */
  async function seenUntilDetached(volume: VolumeAttachment): Promise<void> {
    const path = volumePath(volume.name);
    const inside = async (script: string) =>
      (await execute(incus.client, await incus.pathOf('droplet-21'), ['sh', '-c', script, 'sh', path])).code;
    const isThere = async () => (await inside('test -e "$1"')) === 0;
    await until(isThere, 20_000, 'the volume is seen inside', 50);
    expect(await inside('test -b "$1" && : < "$1"')).toBe(0);
    await compute.attachVolume('droplet-21', volume);
    await compute.detachVolume('droplet-21', volume.id);
    expect(await compute.get('droplet-21')).toMatchObject({ volumes: [] });
    expect(await isThere()).toBe(false);
  }

  /** What a tiny machine was told for root's password. */
  const passwordOf = async (name: string) =>
    incus.client.text(`${await incus.pathOf(name)}/files?path=/root/password`);
});
