import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { drivenClock } from '../../../base/clock.ts';
import { EngineError } from '../../../base/engine-error.ts';
import type { InstanceSpec } from '../port.ts';
import { noDelays, openWorld, simulatedCompute } from './index.ts';

const spec = (id: number): InstanceSpec => ({
  urn: `do:droplet:${id}`,
  name: `droplet-${id}`,
  source: { image: 'debian-12' },
  root: 1,
  volumes: [],
  vcpus: 1,
  memoryMib: 512,
  diskGib: 10,
  nics: [{ network: 'public', mac: '10:66:6a:00:00:01', ipv4: { address: '10.64.0.2', prefix: 24 } }],
  boot: 1,
});

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'world-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (options: { delays?: typeof noDelays; version?: number } = {}) =>
  openWorld({ clock: drivenClock(), images: ['debian-12'], directory, delays: noDelays, ...options });

test('what was acknowledged is there after a kill, with the last line torn', async () => {
  const before = await open();
  const compute = simulatedCompute(before);
  await compute.ensureNetwork('vpc-1');
  await Promise.all([1, 2, 3].map((id) => compute.create(spec(id))));
  await compute.stop('droplet-2', { force: true, timeoutMs: 0 });
  await compute.setBoot('droplet-2', 5);
  await compute.delete('droplet-3');
  await compute.snapshotDisk('droplet-1', { urn: 'do:image:5', name: 'image-5' });
  await compute.snapshotDisk('droplet-1', { urn: 'do:image:6', name: 'image-6' });
  await compute.deleteSnapshot('image-6');
  await compute.importImage('custom-7', '/dev/null');
  await compute.deleteImage('debian-12');
  // Not closed: as killed.
  await appendFile(join(directory, 'world.jsonl'), '{"machine":{"urn":"do:dro');

  const after = await open();
  const again = simulatedCompute(after);
  expect(await again.networks()).toEqual(['vpc-1']);
  expect(await again.list()).toMatchObject([
    { urn: 'do:droplet:1', name: 'droplet-1', state: 'running', boot: 1 },
    { urn: 'do:droplet:2', name: 'droplet-2', state: 'stopped', boot: 5 },
  ]);
  expect(await again.listSnapshots()).toMatchObject([{ urn: 'do:image:5', name: 'image-5' }]);
  expect(await again.images()).toEqual(['custom-7']);
  await Promise.all([before.close(), after.close()]);
});

test('things take their time by the clock', async () => {
  const clock = drivenClock();
  const world = await openWorld({ clock, images: ['debian-12'] });
  const compute = simulatedCompute(world);
  const creation = compute.create(spec(1));
  await clock.advance(199);
  expect(await compute.get('droplet-1')).toMatchObject({ state: 'transitional' });
  await clock.advance(1);
  await creation;
  expect(await compute.get('droplet-1')).toMatchObject({ state: 'running' });
});

test('faults come as often as they were asked for', async () => {
  const world = await open();
  const compute = simulatedCompute(world);
  world.fail('create', new EngineError('exhausted', 'disk full'), 2);
  await expect(compute.create(spec(1))).rejects.toMatchObject({ kind: 'exhausted' });
  await expect(compute.create(spec(1))).rejects.toMatchObject({ kind: 'exhausted' });
  await compute.create(spec(1));
  world.unavailable(true);
  await expect(compute.get('droplet-1')).rejects.toMatchObject({ kind: 'unavailable' });
  world.unavailable(false);
  expect(await compute.get('droplet-1')).toMatchObject({ state: 'running' });
  await world.close();
});

test('a machine that goes in the middle of a step stays gone', async () => {
  const clock = drivenClock();
  const world = await openWorld({ clock, images: ['debian-12'] });
  const creation = simulatedCompute(world).create(spec(1));
  await world.deleteBehindOurBack('droplet-1');
  await Promise.all([expect(creation).rejects.toMatchObject({ kind: 'failed' }), clock.advance(200)]);
  expect(world.machines.size).toBe(0);
});

test('a machine uses what the test says', async () => {
  const clock = drivenClock();
  const world = await openWorld({ clock, images: ['debian-12'], delays: noDelays });
  const compute = simulatedCompute(world);
  await compute.create({ ...spec(1), vcpus: 2, memoryMib: 1024 });
  world.load('droplet-1', { cpu: 0.5, memory: 0.75 });
  const first = await compute.usage('droplet-1');
  await clock.advance(60_000);
  const second = await compute.usage('droplet-1');
  expect(second?.cpuSeconds).toBeCloseTo((first?.cpuSeconds ?? 0) + 0.5 * 2 * 60);
  expect(second).toMatchObject({ memoryBytes: 768 * 2 ** 20, memoryLimitBytes: 1024 * 2 ** 20 });
});

test('machines of an older version are what one of today is after their next start', async () => {
  const before = await open();
  const made = simulatedCompute(before);
  await Promise.all([1, 2].map((id) => made.create(spec(id))));
  expect(await made.outdated()).toEqual([]);
  await before.close();
  const after = await open({ version: 2 });
  const compute = simulatedCompute(after);
  await compute.renew();
  expect((await compute.outdated()).map(({ name }) => name)).toEqual(['droplet-1', 'droplet-2']);
  await compute.stop('droplet-1', { force: true, timeoutMs: 0 });
  await compute.start('droplet-1');
  expect(await compute.outdated()).toEqual([
    { urn: 'do:droplet:2', name: 'droplet-2', settings: ['version 1'] },
  ]);
  await after.close();
});
