import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IncusInstance } from '../../src/engine/compute/incus/instances.ts';
import {
  deniedKey,
  engineName,
  mountInterception,
  noSubvolumes,
} from '../../src/engine/compute/incus/spec.ts';
import type { ComputeEvent } from '../../src/engine/compute/port.ts';
import { sample } from '../support/campaign.ts';
import { startTestIncus, type TestIncus } from '../support/incus.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { computeContract } from './compute.contract.ts';
import { guestContract } from './compute-guest.contract.ts';
import { engineOf } from './compute-lab.ts';
import { type EngineUnderTest, ensureNetworks, machineSpec } from './compute-under-test.ts';

describe('on Incus', unless(await whyNoIncus()), () => {
  computeContract('incus', async () => engineOf(await startTestIncus()));
  guestContract('incus', async () => engineOf(await startTestIncus()));

  describe('compute port: incus alone', () => {
    let incus: TestIncus;
    let engine: EngineUnderTest;
    beforeAll(async () => {
      incus = await startTestIncus();
      engine = await engineOf(incus);
      await ensureNetworks(engine.compute, machineSpec(engine, 11));
    }, 60_000);
    afterAll(() => engine?.remove(), 60_000);
    const change = (path: string, action: string) =>
      incus.client.request<void>('PUT', `${path}/state`, { body: { action, force: true, timeout: 30 } });

    test('a nic can send with its own addresses only', async () => {
      await engine.compute.create(machineSpec(engine, 11));
      const { devices } = await incus.client.request<{ devices: Record<string, Record<string, string>> }>(
        'GET',
        await incus.pathOf('droplet-11'),
      );
      for (const nic of [devices['eth0'], devices['eth1']])
        expect(nic).toMatchObject({
          'security.mac_filtering': 'true',
          'security.ipv4_filtering': 'true',
          'security.ipv6_filtering': 'true',
        });
      await engine.compute.delete('droplet-11');
    });

    test('an operating system that does not stop has its plug pulled', async () => {
      await engine.compute.create(machineSpec(engine, 12, { source: { image: incus.images.stubborn } }));
      await engine.compute.stop('droplet-12', { force: false, timeoutMs: 1000 });
      expect(await engine.compute.get('droplet-12')).toMatchObject({ state: 'stopped' });
      await engine.compute.delete('droplet-12');
    });

    test('a start that fails leaves nothing of the create', async () => {
      await engine.compute.create(machineSpec(engine, 13));
      const { nics } = machineSpec(engine, 13);
      await expect(engine.compute.create(machineSpec(engine, 14, { nics }))).rejects.toMatchObject({
        kind: 'failed',
      });
      expect(await engine.compute.get('droplet-14')).toBeUndefined();
      await engine.compute.delete('droplet-13');
    });

    test('a machine made from a disk snapshot has its bytes, and an identity of its own', async () => {
      const { client } = incus;
      const file = async (name: string, path: string) => `${await incus.pathOf(name)}/files?path=${path}`;
      await engine.compute.create(machineSpec(engine, 16));
      const id = Buffer.from('0123456789abcdef0123456789abcdef\n');
      for (const path of ['/etc/machine-id', '/root/data'])
        await client.request('POST', await file('droplet-16', path), { body: id });
      await engine.compute.snapshotDisk('droplet-16', { urn: 'do:image:5', name: 'image-5' });
      await engine.compute.create(machineSpec(engine, 17, { source: { snapshot: 'image-5' } }));
      expect(await client.text(await file('droplet-17', '/root/data'))).toBe(id.toString());
      expect(await client.text(await file('droplet-17', '/etc/machine-id'))).toBe('');
      const restored = machineSpec(engine, 16, { source: { snapshot: 'image-5' }, root: 2 });
      await engine.compute.replaceDisk(restored);
      await engine.compute.start('droplet-16');
      expect(await client.text(await file('droplet-16', '/etc/machine-id'))).toBe(id.toString());
      // What the copy has been told at its start is no part of its own disk snapshots.
      await client.request('POST', await file('droplet-17', '/etc/machine-id'), { body: id });
      await engine.compute.snapshotDisk('droplet-17', { urn: 'do:image:6', name: 'image-6' });
      const again = machineSpec(engine, 17, { source: { snapshot: 'image-6' }, root: 2 });
      await engine.compute.replaceDisk(again);
      await engine.compute.start('droplet-17');
      expect(await client.text(await file('droplet-17', '/etc/machine-id'))).toBe(id.toString());
      await engine.compute.deleteSnapshot('image-6');
      await engine.compute.deleteSnapshot('image-5');
      for (const name of ['droplet-16', 'droplet-17']) await engine.compute.delete(name);
    });

    test.each([
      ['the new one', 2],
      ['another new one', 3],
    ])('a machine that has lost its old disk waits for what is in the way of %s', async (_, root) => {
      for (const id of [16, 17]) await engine.compute.create(machineSpec(engine, id));
      const { nics } = machineSpec(engine, 17);
      await expect(
        engine.compute.replaceDisk(machineSpec(engine, 16, { root: 2, nics })),
      ).rejects.toMatchObject({ kind: 'unavailable' });
      expect(await engine.compute.get('droplet-16')).toMatchObject({ state: 'stopped', root: 1 });
      await engine.compute.delete('droplet-17');
      await engine.compute.replaceDisk(machineSpec(engine, 16, { root }));
      await engine.compute.start('droplet-16');
      expect(await engine.compute.get('droplet-16')).toMatchObject({ state: 'running', root });
      await engine.compute.delete('droplet-16');
    });

    test("root's password gets to the machine, and into no record of Incus", async () => {
      await engine.compute.create(machineSpec(engine, 18));
      await engine.compute.setRootPassword('droplet-18', 's3cret $x');
      const kept = `${await incus.pathOf('droplet-18')}/files?path=/root/password`;
      expect(await incus.client.text(kept)).toBe('root:s3cret $x\n');
      const operations = await incus.client.text('/1.0/operations?recursion=1');
      expect(operations).toContain('chpasswd');
      expect(operations).not.toContain('s3cret');
      await engine.compute.delete('droplet-18');
    });

    test.each([
      [
        'a stop and a start',
        (path: string) => change(path, 'stop').then(() => engine.compute.start('droplet-19')),
      ],
      ['a restart that Atoll has no part in', (path: string) => change(path, 'restart')],
    ])('a machine of an older version is renewed while it runs, in force after %s', async (_, again) => {
      const [interception] = Object.keys(mountInterception) as [string];
      await engine.compute.create(machineSpec(engine, 19));
      expect(await engine.compute.outdated()).toEqual([]);
      const path = await incus.pathOf('droplet-19');
      const config = async () => (await incus.client.request<IncusInstance>('GET', path)).config;
      const today = await config();
      const older = {
        [interception]: '',
        [deniedKey]: '',
        'raw.lxc': `${today['raw.lxc']}lxc.cap.drop = mknod\n`,
      };
      await incus.client.request('PATCH', path, { body: { config: older } });
      const waiting = { urn: 'do:droplet:19', name: 'droplet-19', settings: Object.keys(older).sort() };
      expect(await engine.compute.outdated()).toEqual([waiting]);
      for (let time = 0; time < 2; time++) {
        await engine.compute.renew();
        expect(await config()).toMatchObject(today);
        expect(await engine.compute.outdated()).toEqual([waiting]);
      }
      await again(path);
      expect(await engine.compute.outdated()).toEqual([]);
      expect(await config()).toMatchObject({ [deniedKey]: noSubvolumes, 'raw.lxc': today['raw.lxc'] });
      await engine.compute.delete('droplet-19');
    });

    test('a machine of an older version that does not run is renewed by its start', async () => {
      await engine.compute.create(machineSpec(engine, 19));
      await engine.compute.stop('droplet-19', { force: true, timeoutMs: 0 });
      const path = await incus.pathOf('droplet-19');
      await incus.client.request('PATCH', path, { body: { config: { [deniedKey]: '' } } });
      expect(await engine.compute.outdated()).toEqual([]);
      await engine.compute.start('droplet-19');
      const { config } = await incus.client.request<IncusInstance>('GET', path);
      expect(config[deniedKey]).toBe(noSubvolumes);
      expect(await engine.compute.outdated()).toEqual([]);
      await engine.compute.delete('droplet-19');
    });

    test('instances of somebody else are left alone', async () => {
      const root = { type: 'disk', path: '/', pool: incus.pool };
      const body = {
        name: engineName(incus.id, 'droplet-15'),
        source: { type: 'none' },
        profiles: [],
        devices: { root },
      };
      await incus.client.request('POST', '/1.0/instances', { body });
      expect(await engine.compute.get('droplet-15')).toBeUndefined();
      expect(await engine.compute.list()).toEqual([]);
      await expect(engine.compute.create(machineSpec(engine, 15))).rejects.toMatchObject({
        kind: 'rejected',
      });
    });

    // The delays, in ms, hit the record, the root volume and the start in the making.
    test.each(sample([15, 50, 150], 1))(
      'a daemon killed %i ms into a create: the machine can be had, or be rid of',
      async (ms) => {
        const events: ComputeEvent[] = [];
        const watching = new AbortController();
        engine.compute.watch((event) => events.push(event), watching.signal);
        await until(() => events.length > 0);

        const creation = engine.compute.create(machineSpec(engine, 20)).catch((error: unknown) => error);
        await delay(ms);
        await incus.kill();
        await creation;
        await expect(engine.compute.get('droplet-20')).rejects.toMatchObject({ kind: 'unavailable' });
        events.length = 0;
        await incus.restart();
        await until(() => events.some(({ urn }) => urn === undefined));
        watching.abort();

        // What is half-made is stopped, and discarded by the start that a control loop tries then.
        const found = await engine.compute.get('droplet-20');
        const start = found ? engine.compute.start('droplet-20') : Promise.resolve();
        expect(await start.catch((error: unknown) => error)).toBeOneOf([
          undefined,
          expect.objectContaining({ kind: 'busy' }),
        ]);
        await engine.compute.create(machineSpec(engine, 20));
        expect(await engine.compute.get('droplet-20')).toMatchObject({ state: 'running' });
        await engine.compute.delete('droplet-20');
        expect(await engine.compute.list()).toEqual([]);
      },
      30_000,
    );
  });
});
