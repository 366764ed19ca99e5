/** An incusd that is killed in the middle of what makes disks: the next tries end in the world of an undisturbed run. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { execute } from '../../src/engine/compute/incus/exec.ts';
import type { IncusInstance } from '../../src/engine/compute/incus/instances.ts';
import { engineName, volumeKey, volumePath } from '../../src/engine/compute/incus/spec.ts';
import type { Compute, VolumeAttachment } from '../../src/engine/compute/port.ts';
import { EngineError } from '../../src/engine/errors.ts';
import { startTestIncus, type TestIncus, whyNoIncus } from '../support/incus.ts';
import { until } from '../support/until.ts';
import { type EngineUnderTest, machineSpec } from './compute.contract.ts';
import { engineOf, pathOf } from './compute-lab.ts';

const obstacle = await whyNoIncus();
if (obstacle) console.warn(`SKIPPED: killing incusd: ${obstacle}`);

const disk = { urn: 'do:image:5', name: 'image-5' };
const force = { force: true, timeoutMs: 0 };

describe.skipIf(obstacle)('incusd is killed', () => {
  let incus: TestIncus;
  let engine: EngineUnderTest;
  let compute: Compute;
  beforeAll(async () => {
    incus = await startTestIncus();
    engine = await engineOf(incus);
    compute = engine.compute;
    for (const { network } of machineSpec(engine, 11).nics)
      if (network !== 'public') await compute.ensureNetwork(network);
  }, 60_000);
  afterAll(() => engine?.remove(), 60_000);
  afterEach(async () => {
    for (const { name } of await compute.list()) await compute.delete(name);
    await compute.deleteSaved(disk.name);
    const left = await incus.client.request<string[]>('GET', '/1.0/instances');
    if (left.length > 0) throw new Error(`left over: ${left.join(', ')}`);
  });

  /** Kills the daemon `ms` into `act`, starts it again and acts until it works, as a control loop does. */
  async function killed(ms: number, act: () => Promise<void>): Promise<void> {
    const first = act().catch((error: unknown) => error);
    await delay(ms);
    await incus.kill();
    await first;
    await incus.restart();
    for (let tries = 20; ; tries--)
      try {
        return await act();
      } catch (error) {
        if (tries === 0 || !(error instanceof EngineError) || error.kind === 'rejected') throw error;
        await delay(100);
      }
  }

  // The delays, in ms, hit the copy and its record.
  test.each([5, 30, 70])(
    '%i ms into a save: the disk is kept, once, and whole',
    async (ms) => {
      await compute.create(machineSpec(engine, 21));
      await compute.setRootPassword('droplet-21', 'mark');
      await killed(ms, async () => {
        await compute.save('droplet-21', disk);
      });
      expect(await compute.listSaved()).toMatchObject([disk]);
      expect(await compute.list()).toMatchObject([{ name: 'droplet-21', state: 'running' }]);
      const snapshots = `${pathOf(incus, 'droplet-21')}/snapshots`;
      expect(await incus.client.request('GET', snapshots)).toEqual([]);
      await compute.create(machineSpec(engine, 22, { source: { saved: disk.name } }));
      expect(await passwordOf('droplet-22')).toBe('root:mark\n');
    },
    30_000,
  );

  test.each([10, 60])(
    '%i ms into a create from a kept disk: the machine can be had',
    async (ms) => {
      await compute.create(machineSpec(engine, 21));
      await compute.save('droplet-21', disk);
      await killed(ms, async () => {
        const spec = machineSpec(engine, 22, { source: { saved: disk.name } });
        await compute.create(spec);
        // What a control loop does with a machine that it finds stopped.
        if ((await compute.get(spec.name))?.state === 'stopped') await compute.start(spec.name);
      });
      expect(await compute.get('droplet-22')).toMatchObject({ state: 'running' });
    },
    30_000,
  );

  // The delays, in ms, hit the making of the new disk and the stop. A renaming Incus itself does not survive: it renames
  // its records of the volume and of the instance one after the other, and finds neither by the other's name again.
  test.each([20, 100, 400])(
    '%i ms into the replacement of a disk: the machine is there all the time, and gets its disk',
    async (ms) => {
      await compute.create(machineSpec(engine, 21));
      await compute.setRootPassword('droplet-21', 'mark');
      await compute.save('droplet-21', disk);
      const spec = machineSpec(engine, 21, { source: { saved: disk.name }, root: 2, diskGib: 11 });
      await killed(ms, async () => {
        expect(await compute.get('droplet-21')).toMatchObject({ urn: 'do:droplet:21' });
        await compute.replaceDisk(spec);
      });
      const replaced = { root: 2, size: { diskGib: 11 } };
      expect(await compute.list()).toMatchObject([{ name: 'droplet-21', state: 'stopped', ...replaced }]);
      await compute.start('droplet-21');
      expect(await passwordOf('droplet-21')).toBe('root:mark\n');
      const instances = await incus.client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
      expect(instances.map(({ name }) => name).sort()).toEqual(
        ['droplet-21', 'image-5'].map((name) => engineName(incus.id, name)),
      );
    },
    30_000,
  );

  // The delays, in ms, hit the making of the device, and what has it appear inside.
  test.each([8, 10, 12])(
    '%i ms into an attach: the volume is there, and gone after its detach',
    async (ms) => {
      await compute.create(machineSpec(engine, 21));
      const volume = await engine.volume('506f78a4-e098-11e5-ad9f-000f53306ae1');
      await killed(ms, () => compute.attachVolume('droplet-21', volume));
      expect(await compute.get('droplet-21')).toMatchObject({ state: 'running', volumes: [volume.id] });
      await seenUntilDetached(volume);
    },
    30_000,
  );

  // The moment between the two that the delays above seldom hit: the device is made, and mounted nowhere.
  test('a volume whose device was made and never mounted is there, too, and gone after its detach', async () => {
    await compute.create(machineSpec(engine, 21));
    const volume = await engine.volume('506f78a4-e098-11e5-ad9f-000f53306ae1');
    const encoded = (text: string) => text.replaceAll('-', '--').replaceAll('/', '-');
    const file = `unix.${encoded(volumeKey(volume.id))}.${encoded(volumePath(volume.name).slice(1))}`;
    const path = join(incus.directory, 'devices', engineName(incus.id, 'droplet-21'), file);
    await writeFile(path, '');
    await compute.attachVolume('droplet-21', volume);
    await seenUntilDetached(volume);
  }, 30_000);

  test('a replacement that was never finished goes with its machine', async () => {
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
  }, 30_000);

  /** That an attached volume can be read inside, can be attached again, and detached. */
  async function seenUntilDetached(volume: VolumeAttachment): Promise<void> {
    const path = volumePath(volume.name);
    const inside = async (script: string) =>
      (await execute(incus.client, pathOf(incus, 'droplet-21'), ['sh', '-c', script, 'sh', path])).code;
    const isThere = async () => (await inside('test -e "$1"')) === 0;
    await until(isThere, 5_000, 'the volume is seen inside', 50);
    expect(await inside('test -b "$1" && : < "$1"')).toBe(0);
    await compute.attachVolume('droplet-21', volume);
    await compute.detachVolume('droplet-21', volume.id);
    expect(await compute.get('droplet-21')).toMatchObject({ volumes: [] });
    expect(await isThere()).toBe(false);
  }

  /** What a tiny machine was told for root's password. */
  const passwordOf = (name: string) => incus.client.text(`${pathOf(incus, name)}/files?path=/root/password`);
});
