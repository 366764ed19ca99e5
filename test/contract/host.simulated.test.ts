import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { digest } from '../../src/engine/node/digest.ts';
import { openHost, simulatedHost } from '../../src/engine/node/simulated/host.ts';
import { hostContract, hostDroplet } from './host.contract.ts';

hostContract('simulated', async () => {
  const host = simulatedHost();
  const disk = { bytes: 50 * 2 ** 30, freeBytes: 40 * 2 ** 30 };
  host.setCapacity({ home: disk, volumes: disk });
  return {
    host,
    write: (id, text) => host.writeVolume(id, text),
    read: async (id) => host.readVolume(id),
    lose: (id) => host.loseVolume(id),
    async unmount() {
      host.setVolumesAway(true);
      return async () => host.setVolumesAway(false);
    },
    end: () => host.close(),
  };
});

it('keeps volumes and their snapshots over restarts where it has a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-host-'));
  const [volume, snapshot] = [randomUUID(), randomUUID()];
  try {
    const host = await openHost(directory);
    await host.ensureVolume({ id: volume, sizeGib: 5 }, { make: true });
    await host.writeVolume(volume, 'kept');
    await host.snapshotVolume(volume, snapshot, { make: true });
    await host.close();
    const again = await openHost(directory);
    expect(await again.volumes()).toEqual({ volumes: [{ id: volume, sizeGib: 5 }], snapshots: [snapshot] });
    expect(again.readVolume(volume)).toBe('kept');
    await again.close();
  } finally {
    await rm(directory, { recursive: true });
  }
});

it('keeps the entries in force, and their generations, over restarts where it has a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-host-'));
  const stale = { kind: 'rejected', message: expect.stringContaining('stale') };
  try {
    const host = await openHost(directory);
    await host.publish(hostDroplet(1), 5);
    await host.publish(hostDroplet(2), 5);
    await host.withdraw(2, 6);
    await host.publishAddress({ ip: '10.89.0.11', target: '10.90.0.150' }, 3);
    await host.publishAddress({ ip: '10.89.0.12' }, 3);
    await host.withdrawAddress('10.89.0.12', 4);
    await host.close();
    const again = await openHost(directory);
    expect(await again.list()).toEqual([1]);
    expect(await again.published(1)).toBe(digest(hostDroplet(1)));
    expect(await again.addresses()).toEqual([{ ip: '10.89.0.11', target: '10.90.0.150' }]);
    await expect(again.publish(hostDroplet(1), 4)).rejects.toMatchObject(stale);
    await expect(again.publish(hostDroplet(2), 5)).rejects.toMatchObject(stale);
    await expect(again.publishAddress({ ip: '10.89.0.12' }, 3)).rejects.toMatchObject(stale);
    const heir = { ...hostDroplet(3), ipv4: hostDroplet(1).ipv4 };
    await expect(again.publish(heir, 1)).rejects.toMatchObject({ kind: 'busy' });
    await again.close();
  } finally {
    await rm(directory, { recursive: true });
  }
});

it('shows the metadata a droplet would read', async () => {
  const host = simulatedHost();
  await host.publish(hostDroplet(1), 1);
  expect(host.metadata(1)).toEqual(hostDroplet(1).metadata);
  expect(host.metadata(2)).toBeUndefined();
});

it('fails as often as it is told to, without an effect', async () => {
  const host = simulatedHost();
  host.fail('publish', new EngineError('unavailable', 'away'), 2);
  await expect(host.publish(hostDroplet(1), 1)).rejects.toMatchObject({ kind: 'unavailable' });
  await expect(host.publish(hostDroplet(1), 1)).rejects.toMatchObject({ kind: 'unavailable' });
  expect(await host.list()).toEqual([]);
  await host.publish(hostDroplet(1), 1);
  expect(await host.list()).toEqual([1]);
});
