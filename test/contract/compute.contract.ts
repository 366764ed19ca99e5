import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { EngineErrorKind } from '../../src/base/engine-error.ts';
import type { Compute, ComputeEvent, InstanceSpec } from '../../src/engine/compute/port.ts';
import { until } from '../support/until.ts';
import { type EngineUnderTest, ensureNetworks, machineSpec, vpc } from './compute-under-test.ts';

const otherVpc = 'c0ffee00-9653-4bd1-bef5-d6bff52042e4';
const volumeIds = ['506f78a4-e098-11e5-ad9f-000f53306ae1', '506f78a4-e098-11e5-ad9f-000f53306ae2'] as const;
const graceful = { force: false, timeoutMs: 10_000 };
const force = { force: true, timeoutMs: 0 };

/** What every implementation of the compute port keeps, in one suite for all. */
export function computeContract(name: string, makeEngine: () => Promise<EngineUnderTest>): void {
  describe(`compute port: ${name}`, () => {
    let engine: EngineUnderTest;
    let compute: Compute;

    beforeAll(async () => {
      engine = await makeEngine();
      compute = engine.compute;
      await ensureNetworks(compute, machineSpec(engine, 11));
    });
    afterAll(() => engine?.remove());
    afterEach(async () => {
      for (const machine of await compute.list()) await compute.delete(machine.name);
      for (const disk of await compute.listSnapshots()) await compute.deleteSnapshot(disk.name);
    });

    const volumesOf = async (machine: string) => (await compute.get(machine))?.volumes.toSorted();
    const create = (id: number, change?: Partial<InstanceSpec>) =>
      compute.create(machineSpec(engine, id, change));

    test('capacity tells what the host has, and that some of its pool is free', async () => {
      const { name, cpus, memoryMib, pool } = await compute.capacity();
      expect(name).toMatch(/\S/);
      expect(cpus).toBeGreaterThanOrEqual(1);
      expect(memoryMib).toBeGreaterThan(256);
      expect(Number.isInteger(memoryMib)).toBe(true);
      expect(pool?.bytes).toBeGreaterThan(2 ** 30);
      expect(pool?.freeBytes).toBeGreaterThan(0);
      expect(pool?.freeBytes).toBeLessThan(pool?.bytes ?? 0);
    });

    test('create makes a running machine that get and list show', async () => {
      await create(11, { boot: 7 });
      const expected = {
        urn: 'do:droplet:11',
        name: 'droplet-11',
        state: 'running',
        boot: 7,
        root: 1,
        size: { vcpus: 1, memoryMib: 512, diskGib: 10 },
        volumes: [],
        ipv6: false,
        run: expect.any(String),
      };
      expect(await compute.get('droplet-11')).toEqual(expected);
      expect(await compute.list()).toEqual([expected]);
    });

    test('get knows nothing of a machine that is not there', async () => {
      expect(await compute.get('droplet-11')).toBeUndefined();
      expect(await compute.list()).toEqual([]);
    });

    test('create leaves a machine that is there as it is', async () => {
      await create(11);
      await compute.stop('droplet-11', force);
      await create(11, { boot: 2 });
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'stopped', boot: 1 });
    });

    test('create refuses a name that another owner has', async () => {
      await create(11);
      await expect(create(11, { urn: 'do:droplet:5' })).rejects.toMatchObject(refusal('rejected'));
      expect(await compute.get('droplet-11')).toMatchObject({ urn: 'do:droplet:11' });
    });

    test('two creates at once make one machine', async () => {
      const both = await Promise.allSettled([create(11), create(11)]);
      expect(kindsOf(both).filter((kind) => kind !== 'busy')).toEqual([]);
      expect(both.some(({ status }) => status === 'fulfilled')).toBe(true);
      expect(await compute.list()).toMatchObject([{ name: 'droplet-11', state: 'running' }]);
    });

    test('a machine that is being made is never shown as stopped', async () => {
      const creation = { done: false };
      const created = create(11).finally(() => {
        creation.done = true;
      });
      const seen = new Set<string>();
      while (!creation.done) {
        seen.add((await compute.get('droplet-11'))?.state ?? 'absent');
        await delay(1);
      }
      await created;
      expect(seen).not.toContain('stopped');
    });

    test('an unknown image is missing and leaves nothing', async () => {
      await expect(create(11, { source: { image: 'no-such-image' } })).rejects.toMatchObject(
        refusal('missing'),
      );
      expect(await compute.get('droplet-11')).toBeUndefined();
    });

    test('a network that is not there fails the create and leaves nothing', async () => {
      const [, privateNic] = machineSpec(engine, 11).nics;
      await expect(create(11, { nics: [{ ...privateNic!, network: otherVpc }] })).rejects.toMatchObject(
        refusal('failed'),
      );
      expect(await compute.get('droplet-11')).toBeUndefined();
    });

    test.each([
      ['graceful', graceful],
      ['forced', force],
    ])('%s stop, and start, each twice', async (_, options) => {
      await create(11);
      await compute.stop('droplet-11', options);
      await compute.stop('droplet-11', options);
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'stopped' });
      await compute.start('droplet-11');
      await compute.start('droplet-11');
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'running' });
    });

    test('two starts at once', async () => {
      await create(11);
      await compute.stop('droplet-11', force);
      const both = await Promise.allSettled([compute.start('droplet-11'), compute.start('droplet-11')]);
      expect(kindsOf(both).filter((kind) => kind !== 'busy')).toEqual([]);
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'running' });
    });

    test('setBoot marks a machine, running or not', async () => {
      await create(11);
      await compute.setBoot('droplet-11', 2);
      await compute.setBoot('droplet-11', 2);
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'running', boot: 2 });
      await compute.stop('droplet-11', force);
      await compute.setBoot('droplet-11', 3);
      await compute.start('droplet-11');
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'running', boot: 3 });
    });

    test('delete takes a running machine, a stopped one and none', async () => {
      await create(11);
      await create(12);
      await compute.stop('droplet-12', force);
      await compute.delete('droplet-11');
      await compute.delete('droplet-12');
      await compute.delete('droplet-12');
      expect(await compute.list()).toEqual([]);
    });

    test('start, stop and setBoot of a machine that is not there fail', async () => {
      await expect(compute.start('droplet-11')).rejects.toMatchObject(refusal('failed'));
      await expect(compute.stop('droplet-11', force)).rejects.toMatchObject(refusal('failed'));
      await expect(compute.stop('droplet-11', graceful)).rejects.toMatchObject(refusal('failed'));
      await expect(compute.setBoot('droplet-11', 2)).rejects.toMatchObject(refusal('failed'));
    });

    test.each([
      ['an image', () => ({ image: engine.image })],
      ['a disk snapshot', () => ({ snapshot: 'image-5' })],
    ])('replaceDisk, twice, from %s: all is as the spec says, and stopped', async (_, source) => {
      await create(11);
      await compute.snapshotDisk('droplet-11', { urn: 'do:image:5', name: 'image-5' });
      const spec = machineSpec(engine, 11, { source: source(), root: 2, vcpus: 2, boot: 3, diskGib: 11 });
      await compute.replaceDisk(spec);
      await compute.replaceDisk(spec);
      const replaced = { root: 2, boot: 3, size: { vcpus: 2, memoryMib: 512, diskGib: 11 } };
      expect(await compute.list()).toMatchObject([{ name: 'droplet-11', state: 'stopped', ...replaced }]);
      await compute.setBoot('droplet-11', 4);
      await compute.start('droplet-11');
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'running', ...replaced, boot: 4 });
      expect(await compute.listSnapshots()).toHaveLength(1);
    });

    test('a machine whose disk was replaced, once and once more, is like any other', async () => {
      await create(11);
      const volume = await engine.volume(volumeIds[0]);
      const size = { vcpus: 2, memoryMib: 1024, diskGib: 20 };
      for (const root of [2, 3]) {
        await compute.replaceDisk(machineSpec(engine, 11, { root }));
        await create(11);
        expect(await compute.list()).toMatchObject([{ state: 'stopped', root, size: { diskGib: 10 } }]);
        await compute.setBoot('droplet-11', root);
        await compute.start('droplet-11');
        await compute.resize('droplet-11', size);
        await compute.addIpv6('droplet-11', { address: `${engine.ipv6Prefix}::11`, prefix: 64 });
        await compute.attachVolume('droplet-11', volume);
        const changed = { state: 'running', boot: root, root, size, volumes: [volume.id], ipv6: true };
        expect(await compute.list()).toMatchObject([changed]);
        expect(await compute.get('droplet-11')).toMatchObject(changed);
        await compute.detachVolume('droplet-11', volume.id);
        await compute.setRootPassword('droplet-11', 'secret');
        await vi.waitFor(async () => expect(await compute.console('droplet-11')).toContain('up'), 20_000);
        expect(await compute.usage('droplet-11')).toMatchObject({ memoryLimitBytes: 2 ** 30 });
        const disk = { urn: `do:image:${root}`, name: `image-${root}` };
        expect(await compute.snapshotDisk('droplet-11', disk)).toMatchObject(disk);
        await compute.stop('droplet-11', graceful);
      }
      await compute.delete('droplet-11');
      expect(await compute.list()).toEqual([]);
      expect(await compute.get('droplet-11')).toBeUndefined();
      expect(await compute.listSnapshots()).toHaveLength(2);
    });

    test('a disk that cannot be made leaves the machine with its old one', async () => {
      await create(11);
      const missing = [{ image: 'no-such-image' }, { snapshot: 'no-such-disk' }];
      for (const source of missing)
        await expect(compute.replaceDisk(machineSpec(engine, 11, { source, root: 2 }))).rejects.toMatchObject(
          refusal('missing'),
        );
      expect(await compute.list()).toMatchObject([{ name: 'droplet-11', state: 'running', root: 1 }]);
      await expect(compute.replaceDisk(machineSpec(engine, 12))).rejects.toMatchObject(refusal('failed'));
    });

    test('while its disk is replaced a machine is always there', async () => {
      await create(11);
      const replacing = { done: false };
      const replaced = compute.replaceDisk(machineSpec(engine, 11, { root: 2 })).finally(() => {
        replacing.done = true;
      });
      while (!replacing.done) {
        expect((await compute.get('droplet-11'))?.urn).toBe('do:droplet:11');
        expect((await compute.list()).map(({ name: each }) => each)).toEqual(['droplet-11']);
        await delay(1);
      }
      await replaced;
    });

    test('resize changes a machine, running or not; its disk only grows', async () => {
      await create(11);
      const larger = { vcpus: 2, memoryMib: 1024, diskGib: 20 };
      await compute.resize('droplet-11', larger);
      await compute.resize('droplet-11', larger);
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'running', size: larger });
      await compute.stop('droplet-11', force);
      await compute.resize('droplet-11', { vcpus: 1, memoryMib: 512, diskGib: 10 });
      const size = { vcpus: 1, memoryMib: 512, diskGib: 20 };
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'stopped', size });
    });

    test('an IPv6 address can be added to a machine that runs or not', async () => {
      await create(11);
      await create(12);
      await compute.stop('droplet-12', force);
      for (const name of ['droplet-11', 'droplet-12']) {
        const address = { address: `${engine.ipv6Prefix}::${name.slice(-2)}`, prefix: 64 };
        await compute.addIpv6(name, address);
        await compute.addIpv6(name, address);
        expect(await compute.get(name)).toMatchObject({ ipv6: true });
      }
    });

    test("root's password is set in a machine that runs", async () => {
      await create(11);
      await compute.setRootPassword('droplet-11', 'a pass\'"word: $x');
      await compute.stop('droplet-11', force);
      await expect(compute.setRootPassword('droplet-11', 'x')).rejects.toMatchObject(refusal('failed'));
    });

    test('volumes: attached and detached twice, running or not, and at create', async () => {
      const [one, two] = [await engine.volume(volumeIds[0]), await engine.volume(volumeIds[1])];
      await create(11, { volumes: [one] });
      await compute.attachVolume('droplet-11', two);
      await compute.attachVolume('droplet-11', two);
      expect(await volumesOf('droplet-11')).toEqual([one.id, two.id].sort());
      await compute.detachVolume('droplet-11', one.id);
      await compute.detachVolume('droplet-11', one.id);
      expect(await volumesOf('droplet-11')).toEqual([two.id]);
      await compute.stop('droplet-11', force);
      await compute.attachVolume('droplet-11', one);
      await compute.detachVolume('droplet-11', two.id);
      await compute.start('droplet-11');
      expect(await volumesOf('droplet-11')).toEqual([one.id]);
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'running' });
    });

    test('a volume that is in use inside is not detached', async () => {
      const volume = await engine.volume(volumeIds[0]);
      await create(11, { volumes: [volume] });
      const letGo = await engine.use('droplet-11', volume);
      await expect(compute.detachVolume('droplet-11', volume.id)).rejects.toMatchObject(refusal('rejected'));
      expect(await volumesOf('droplet-11')).toEqual([volume.id]);
      await letGo();
      await compute.detachVolume('droplet-11', volume.id);
      expect(await volumesOf('droplet-11')).toEqual([]);
    });

    test('a disk snapshot lives on its own, and is no machine', async () => {
      await create(11);
      const disk = { urn: 'do:image:5', name: 'image-5' };
      const kept = { ...disk, bytes: expect.any(Number) };
      expect(await compute.snapshotDisk('droplet-11', disk)).toEqual(kept);
      expect(await compute.snapshotDisk('droplet-11', disk)).toEqual(kept);
      expect(await compute.list()).toMatchObject([{ name: 'droplet-11', state: 'running' }]);
      expect(await compute.get('image-5')).toBeUndefined();
      await expect(
        compute.snapshotDisk('droplet-11', { urn: 'do:image:6', name: 'image-5' }),
      ).rejects.toMatchObject(refusal('rejected'));
      await compute.delete('droplet-11');
      expect(await compute.listSnapshots()).toEqual([kept]);
      expect((await compute.listSnapshots())[0]?.bytes).toBeGreaterThan(0);
      await Promise.all([
        create(12, { source: { snapshot: 'image-5' } }),
        create(13, { source: { snapshot: 'image-5' } }),
      ]);
      await compute.deleteSnapshot('image-5');
      await compute.deleteSnapshot('image-5');
      expect(await compute.listSnapshots()).toEqual([]);
      expect(await compute.list()).toMatchObject([{ state: 'running' }, { state: 'running' }]);
      await expect(create(14, { source: { snapshot: 'image-5' } })).rejects.toMatchObject(refusal('missing'));
      expect(await compute.get('droplet-14')).toBeUndefined();
    });

    test('a snapshot of a machine that is not there fails', async () => {
      await expect(
        compute.snapshotDisk('droplet-11', { urn: 'do:image:5', name: 'image-5' }),
      ).rejects.toMatchObject(refusal('failed'));
    });

    test('an image is imported twice, used, and deleted twice', async () => {
      await compute.importImage('custom-5', engine.imageFile);
      await compute.importImage('custom-5', engine.imageFile);
      await compute.importImage('custom-6', engine.imageFile);
      expect(await compute.images()).toContain('custom-5');
      await create(11, { source: { image: 'custom-5' } });
      await compute.deleteImage('custom-5');
      await compute.deleteImage('custom-5');
      expect(await compute.images()).not.toContain('custom-5');
      await create(12, { source: { image: 'custom-6' } });
      await compute.deleteImage('custom-6');
      expect(await compute.list()).toMatchObject([{ state: 'running' }, { state: 'running' }]);
    });

    test('an image is unpacked twice, with what is added, and leaves a snapshot and no image', async () => {
      const before = await compute.images();
      const copy = { urn: 'do:golden:tiny', name: 'golden-tiny-0123456789abcdef' };
      const additions = [
        { path: '/etc/new/deep/file', content: 'new\n' },
        { path: '/etc/link', link: 'new/deep/file' },
        { path: '/etc/new/deep/file', append: 'and more\n' },
      ];
      const image = { file: engine.imageFile, bytes: 5_000_000, additions };
      const unpacked = { ...copy, bytes: 5_000_000 };
      expect(await compute.unpackImage(copy, image)).toEqual(unpacked);
      expect(await compute.unpackImage(copy, image)).toEqual(unpacked);
      await expect(compute.unpackImage({ ...copy, urn: 'do:golden:other' }, image)).rejects.toMatchObject(
        refusal('rejected'),
      );
      expect(await compute.listSnapshots()).toEqual([unpacked]);
      expect(await compute.images()).toEqual(before);
      await create(11, { source: { snapshot: copy.name } });
      await compute.deleteSnapshot(copy.name);
      expect(await compute.list()).toMatchObject([{ state: 'running' }]);
      expect(await compute.listSnapshots()).toEqual([]);
    });

    test('an image that comes or goes is told', async () => {
      const events: ComputeEvent[] = [];
      const watching = new AbortController();
      compute.watch((event) => events.push(event), watching.signal);
      await until(() => events.length > 0);
      for (const change of [
        () => compute.importImage('custom-7', engine.imageFile),
        () => compute.deleteImage('custom-7'),
      ]) {
        events.length = 0;
        await change();
        await until(() => events.some(({ images }) => images));
      }
      watching.abort();
      expect(await compute.images()).not.toContain('custom-7');
    });

    test('console and usage tell of a machine that runs', async () => {
      await create(11);
      await vi.waitFor(async () => expect(await compute.console('droplet-11')).toContain('up'), 20_000);
      const usage = await compute.usage('droplet-11');
      expect(usage?.memoryLimitBytes).toBe(512 * 2 ** 20);
      expect(usage?.memoryBytes).toBeLessThan(512 * 2 ** 20);
      expect(usage?.cpuSeconds).toBeGreaterThanOrEqual(0);
      await compute.stop('droplet-11', force);
      expect(await compute.usage('droplet-11')).toBeUndefined();
      expect(await compute.usage('droplet-12')).toBeUndefined();
      await expect(compute.console('droplet-12')).rejects.toMatchObject(refusal('failed'));
    });

    test('the network of a VPC: made twice, kept while used, removed twice', async () => {
      await Promise.all([compute.ensureNetwork(otherVpc), compute.ensureNetwork(otherVpc)]);
      await compute.ensureNetwork(otherVpc);
      expect((await compute.networks()).sort()).toEqual([vpc, otherVpc].sort());
      await create(11);
      await expect(compute.deleteNetwork(vpc)).rejects.toMatchObject(refusal('busy'));
      await compute.deleteNetwork(otherVpc);
      await compute.deleteNetwork(otherVpc);
      expect(await compute.networks()).toEqual([vpc]);
    });

    test('survey tells of machines and disk snapshots whose they are, since when, and which addresses they have', async () => {
      const begun = Date.now() - 60_000;
      await create(11);
      await compute.snapshotDisk('droplet-11', { urn: 'do:image:5', name: 'image-5' });
      const [outside, inside] = machineSpec(engine, 11).nics;
      const surveyed = (await compute.survey()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      expect(surveyed).toMatchObject([
        {
          urn: 'do:droplet:11',
          name: 'droplet-11',
          bytes: 10 * 2 ** 30,
          addresses: [
            { network: 'public', ip: outside?.ipv4.address },
            { network: vpc, ip: inside?.ipv4.address },
          ],
        },
        { urn: 'do:image:5', name: 'image-5', addresses: [] },
      ]);
      expect(surveyed[1]?.bytes).toBe((await compute.listSnapshots())[0]?.bytes);
      expect(surveyed[0]?.createdAt?.getTime()).toBeGreaterThan(begun);
    });

    test('remembers whose it is', async () => {
      expect(await compute.mark()).toBeUndefined();
      const mark = { cloud: otherVpc, since: '2026-01-02T03:04:05.678Z' };
      await compute.setMark(mark);
      expect(await compute.mark()).toEqual(mark);
      await compute.setMark({ ...mark, cloud: vpc });
      expect(await compute.mark()).toEqual({ ...mark, cloud: vpc });
    });

    test("other products' machines are listed by their owners, and events name them", async () => {
      const events: ComputeEvent[] = [];
      const watching = new AbortController();
      compute.watch((event) => events.push(event), watching.signal);
      await until(() => events.length > 0);
      await create(12, { urn: 'do:dbaas:12', name: 'dbaas-12-3fa21b07' });
      await until(() => events.some(({ urn }) => urn === 'do:dbaas:12'));
      watching.abort();
      expect(await compute.list()).toMatchObject([{ urn: 'do:dbaas:12', name: 'dbaas-12-3fa21b07' }]);
    });

    test('images lists what create takes', async () => {
      expect(await compute.images()).toContain(engine.image);
    });

    test('watch tells of a gap at first, then of what we and others do', async () => {
      const events: ComputeEvent[] = [];
      const watching = new AbortController();
      compute.watch((event) => events.push(event), watching.signal);
      await until(() => events.length > 0);
      expect(events[0]).toEqual({});
      const told = async (act: () => Promise<void>) => {
        events.length = 0;
        await act();
        await until(() => events.some(({ urn }) => urn === 'do:droplet:11'));
      };
      await told(() => create(11));
      await told(() => engine.stopBehindOurBack('droplet-11'));
      expect(await compute.get('droplet-11')).toMatchObject({ state: 'stopped' });
      await told(() => compute.start('droplet-11'));
      await told(() => engine.deleteBehindOurBack('droplet-11'));
      expect(await compute.get('droplet-11')).toBeUndefined();
      watching.abort();
      events.length = 0;
      await create(12);
      expect(events).toEqual([]);
    });
  });
}

/** What an EngineError of this kind looks like. */
function refusal(kind: EngineErrorKind) {
  return { name: 'EngineError', kind };
}

/** The kinds of the failures among `results`. */
function kindsOf(results: PromiseSettledResult<void>[]): EngineErrorKind[] {
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason.kind] : []));
}
