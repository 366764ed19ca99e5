/** An action that errs after the engine has done it leaves the truth in the database. */
import { afterEach, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';

let atoll: TestAtoll;
afterEach(() => atoll.close());

it.each([true, false])(
  'a resize that errs leaves the disk as large as it is (it had its effect: %s)',
  async (effect) => {
    let refused = false;
    atoll = await startAtoll({
      wrap: {
        compute: (compute: Compute) => ({
          ...compute,
          async resize(...args: Parameters<Compute['resize']>) {
            if (effect || refused) await compute.resize(...args);
            if (refused) return;
            refused = true;
            throw new EngineError('rejected', 'it was refused after all');
          },
        }),
      },
    });
    const { id } = await createDroplet(atoll.api, { size: 's-1vcpu-1gb' });
    const act = async (body: object) => {
      const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
      return (await ended(atoll.api, action.id)).status;
    };
    expect(await act({ type: 'power_off' })).toBe('completed');
    expect(await act({ type: 'resize', size: 's-2vcpu-4gb', disk: true })).toBe('errored');
    const { droplet } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`);
    expect(droplet).toMatchObject({ size_slug: 's-1vcpu-1gb', disk: effect ? 80 : 25 });
    expect((await atoll.compute.get(`droplet-${id}`))?.size.diskGib).toBe(droplet.disk);
    // What is kept of it needs as much.
    expect(await act({ type: 'snapshot', name: 'kept' })).toBe('completed');
    const { snapshots } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/snapshots`);
    expect(snapshots[0].min_disk_size).toBe(droplet.disk);
  },
);

it('a resize to what the catalogue does not have any more errs, and the droplet is as it was', async () => {
  atoll = await startAtoll();
  const { id } = await createDroplet(atoll.api, { size: 's-1vcpu-1gb' });
  const path = `/v2/droplets/${id}/actions`;
  const off = await atoll.api.expect(201, 'POST', path, { type: 'power_off' });
  await ended(atoll.api, off.action.id);
  // Accepted by another version of the control plane.
  atoll.plane.kill();
  const { action } = await atoll.api.expect(201, 'POST', path, { type: 'resize', size: 's-2vcpu-4gb' });
  const { db } = atoll.database.store;
  await db.updateTable('droplets').set({ size: 's-of-later' }).where('id', '=', id).execute();
  await atoll.restart();
  expect((await ended(atoll.api, action.id)).status).toBe('errored');
  const { droplet } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`);
  expect(droplet).toMatchObject({ size_slug: 's-1vcpu-1gb', locked: false });
});
