/** What is asked of a volume while a snapshot of it is being taken, which takes hours on some hosts. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { ended } from '../support/droplets.ts';
import { until } from '../support/until.ts';
import { volumesOf } from '../support/volumes.ts';

let atoll: TestAtoll;
let copied = Promise.withResolvers<void>();
let copies = 0;
/** The volumes whose bytes the host was asked to see to. */
const asked: string[] = [];
beforeAll(async () => {
  copied.resolve();
  atoll = await startAtoll({
    wrap: {
      host: (host) =>
        new Proxy(host, {
          get(target, name: keyof typeof host) {
            if (name === 'ensureVolume')
              return (volume: { id: string }, may: { make: boolean }) => {
                asked.push(volume.id);
                return target.ensureVolume(volume as Parameters<typeof target.ensureVolume>[0], may);
              };
            if (name === 'snapshotVolume')
              return async (...args: Parameters<typeof target.snapshotVolume>) => {
                copies++;
                await copied.promise;
                return target.snapshotVolume(...args);
              };
            return target[name];
          },
        }),
    },
  });
});
afterAll(() => atoll.close());

const { create, act, droplet, held } = volumesOf(() => atoll);

it('waits, and takes no slot of quick work meanwhile', async () => {
  const [{ id: volume }, machine] = await Promise.all([create(), droplet()]);
  await until(async () => (await held(volume)) !== undefined);
  copied = Promise.withResolvers();
  const before = copies;
  await atoll.api.expect(201, 'POST', `/v2/volumes/${volume}/snapshots`, { name: 'snap' });
  await until(async () => copies > before);
  asked.length = 0;
  const path = `/v2/volumes/${volume}/actions`;
  const { action } = await atoll.api.expect(202, 'POST', path, { type: 'resize', size_gigabytes: 20 });
  const waiting = () =>
    atoll.database.store.db
      .selectFrom('reconcile')
      .select('waiting_for')
      .where('kind', '=', 'volume')
      .where('id', '=', volume)
      .executeTakeFirst();
  await until(async () => /is being taken/.test((await waiting())?.waiting_for ?? ''));
  expect(asked).not.toContain(volume);
  copied.resolve();
  expect((await ended(atoll.api, action.id)).status).toBe('completed');
  expect((await act(volume, { type: 'attach', droplet_id: machine })).status).toBe('completed');
});

it('does not wait for a snapshot that was deleted before it was taken', async () => {
  const [{ id: volume }, machine] = await Promise.all([create(), droplet()]);
  await act(volume, { type: 'attach', droplet_id: machine });
  atoll.host.fail('snapshotVolume', new EngineError('unavailable', 'away'), 3);
  const path = `/v2/volumes/${volume}/snapshots`;
  const { snapshot } = await atoll.api.expect(201, 'POST', path, { name: 'snap' });
  await atoll.api.expect(204, 'DELETE', `/v2/snapshots/${snapshot.id}`);
  const { action } = await atoll.api.expect(202, 'POST', `/v2/volumes/${volume}/actions`, { type: 'detach' });
  expect((await ended(atoll.api, action.id, 10_000)).status).toBe('completed');
});
