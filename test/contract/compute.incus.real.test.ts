import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { incusCompute } from '../../src/engine/compute/incus/index.ts';
import { instancePath } from '../../src/engine/compute/incus/instances.ts';
import { engineName } from '../../src/engine/compute/incus/spec.ts';
import type { ComputeEvent } from '../../src/engine/compute/port.ts';
import { startTestIncus, type TestIncus, whyNoIncus } from '../support/incus.ts';
import { computeContract, type EngineUnderTest, machineSpec, until } from './compute.contract.ts';

const pathOf = (incus: TestIncus, name: string) => instancePath(engineName(incus.id, name));

async function engineOf(incus: TestIncus): Promise<EngineUnderTest> {
  const { client } = incus;
  const stop = (name: string) =>
    client.request<void>('PUT', `${pathOf(incus, name)}/state`, {
      body: { action: 'stop', force: true, timeout: 30 },
    });
  const compute = incusCompute(incus);
  return {
    compute,
    image: incus.images.tiny,
    macPrefix: incus.macPrefix,
    publicIpv4: (host) => ({ address: `${incus.prefix}.${host}`, prefix: 24, gateway: `${incus.prefix}.1` }),
    stopBehindOurBack: stop,
    deleteBehindOurBack: async (name) => {
      await stop(name);
      await client.request('DELETE', pathOf(incus, name));
    },
    remove: async () => {
      await compute.close();
      await incus.remove();
    },
  };
}

const obstacle = await whyNoIncus();
if (obstacle) console.warn(`SKIPPED: the compute contract on Incus: ${obstacle}`);

describe.skipIf(obstacle)('on Incus', () => {
  computeContract('incus', async () => engineOf(await startTestIncus()));

  describe('compute port: incus alone', () => {
    let incus: TestIncus;
    let engine: EngineUnderTest;
    beforeAll(async () => {
      incus = await startTestIncus();
      engine = await engineOf(incus);
      for (const { network } of machineSpec(engine, 11).nics)
        if (network !== 'public') await engine.compute.ensureNetwork(network);
    }, 60_000);
    afterAll(() => engine?.remove(), 60_000);

    test('a nic can send with its own addresses only', async () => {
      await engine.compute.create(machineSpec(engine, 11));
      const { devices } = await incus.client.request<{ devices: Record<string, Record<string, string>> }>(
        'GET',
        pathOf(incus, 'droplet-11'),
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
      await engine.compute.create(machineSpec(engine, 12, { image: incus.images.stubborn }));
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
    test.each([15, 50, 150])(
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
