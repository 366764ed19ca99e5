import { expect, it } from 'vitest';
import { EngineError } from '../../src/engine/errors.ts';
import { simulatedHost } from '../../src/engine/host/simulated/host.ts';
import { hostContract, hostDroplet } from './host.contract.ts';

hostContract('simulated', async () => {
  const host = simulatedHost();
  return { host, end: () => host.close() };
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
