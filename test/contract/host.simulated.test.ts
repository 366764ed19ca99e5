import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { EngineError } from '../../src/engine/errors.ts';
import { openVolumes, simulatedHost } from '../../src/engine/host/simulated/host.ts';
import { hostContract, hostDroplet } from './host.contract.ts';

hostContract('simulated', async () => {
  const host = simulatedHost();
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
    const host = simulatedHost(await openVolumes(directory));
    await host.ensureVolume({ id: volume, sizeGib: 5 }, { make: true });
    await host.writeVolume(volume, 'kept');
    await host.snapshotVolume(volume, snapshot, { make: true });
    await host.close();
    const again = simulatedHost(await openVolumes(directory));
    expect(await again.volumes()).toEqual({ volumes: [{ id: volume, sizeGib: 5 }], snapshots: [snapshot] });
    expect(again.readVolume(volume)).toBe('kept');
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
