import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, getDroplet, order } from '../support/droplets.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const post = async (extra: object = {}) => {
  const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, ...extra });
  return { id: droplet.id as number, action: links.actions[0].id as number };
};
const act = async (id: number, type: string) =>
  ended(atoll.api, (await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, { type })).action.id);

/** Nothing of the droplet stays in the engines. */
async function expectNothingLeft(id: number) {
  await until(async () => (await atoll.compute.get(`droplet-${id}`)) === undefined);
  await until(async () => (await atoll.host.published(id)) === undefined);
}

describe('an engine that fails', () => {
  it('honours what was accepted while it was down, once it is back', async () => {
    atoll.world.unavailable(true);
    const asked = await Promise.all([post(), post(), post()]);
    await until(async () => {
      const rows = await atoll.database.store.db
        .selectFrom('reconcile')
        .select('last_error')
        .where('last_error', 'is not', null)
        .execute();
      return rows.length >= asked.length;
    });
    for (const { action } of asked) {
      expect((await atoll.api.expect(200, 'GET', `/v2/actions/${action}`)).action.status).toBe('in-progress');
    }
    atoll.world.unavailable(false);
    for (const { action } of asked) expect((await ended(atoll.api, action)).status).toBe('completed');
  });

  it('tries again what failed for no known reason', async () => {
    atoll.world.fail('create', new EngineError('failed', 'a hiccup'), 2);
    const { action } = await post();
    expect((await ended(atoll.api, action)).status).toBe('completed');
  });

  it.each(['rejected', 'exhausted'] as const)(
    'says so through the action when it is %s, and leaves nothing',
    async (kind) => {
      atoll.world.fail('create', new EngineError(kind, 'secret detail of the engine'));
      const { id, action } = await post();
      const failed = await ended(atoll.api, action);
      expect(failed.status).toBe('errored');
      expect(failed.message).toMatch(/host|operator/);
      expect(JSON.stringify(failed)).not.toContain('secret detail');
      await expectNothingLeft(id);
      expect(await getDroplet(atoll.api, id)).toMatchObject({ status: 'off', locked: false });
      await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    },
  );

  it('gives up after several tries of what keeps failing', async () => {
    atoll.world.fail('create', new EngineError('failed', 'broken'), 5);
    const { id, action } = await post();
    expect((await ended(atoll.api, action, 20_000)).status).toBe('errored');
    await expectNothingLeft(id);
    // Power on asks for it once more: the droplet was never made, so it is made now.
    expect((await act(id, 'power_on')).status).toBe('completed');
    expect(await getDroplet(atoll.api, id)).toMatchObject({ status: 'active' });
  });

  it('leaves a droplet as it is when one of its actions cannot be done', async () => {
    const { id } = await createDroplet(atoll.api);
    atoll.world.fail('stop', new EngineError('rejected', 'no'));
    expect((await act(id, 'power_off')).status).toBe('errored');
    await until(async () => (await getDroplet(atoll.api, id)).locked === false);
    expect(await getDroplet(atoll.api, id)).toMatchObject({ status: 'active' });
    expect((await act(id, 'power_off')).status).toBe('completed');
  });

  it('keeps the new disk of a rebuilt droplet that does not boot, and makes another when it is asked to', async () => {
    const { id } = await createDroplet(atoll.api);
    const rebuild = async (image: string) => {
      const body = { type: 'rebuild', image };
      const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
      return ended(atoll.api, action.id);
    };
    atoll.world.fail('start', new EngineError('failed', 'no init'), 5);
    expect((await rebuild('debian-13-x64')).status).toBe('errored');
    expect(await getDroplet(atoll.api, id)).toMatchObject({
      status: 'off',
      image: { slug: 'debian-13-x64' },
    });
    expect((await rebuild('debian-12-x64')).status).toBe('completed');
    expect(await atoll.compute.get(`droplet-${id}`)).toMatchObject({ state: 'running', root: 3 });
  });

  it('withdraws metadata though the host failed at first', async () => {
    const { id } = await createDroplet(atoll.api);
    atoll.host.fail('withdraw', new EngineError('unavailable', 'away'), 1);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await expectNothingLeft(id);
  });
});

describe('changes behind our back', () => {
  it('shows a machine that stopped by itself as off, and does not start it', async () => {
    const { id } = await createDroplet(atoll.api);
    await atoll.world.stopBehindOurBack(`droplet-${id}`);
    await until(async () => (await getDroplet(atoll.api, id)).status === 'off');
    expect((await atoll.compute.get(`droplet-${id}`))?.state).toBe('stopped');
    expect((await act(id, 'power_on')).status).toBe('completed');
  });

  it('does not silently make a deleted machine anew', async () => {
    const { id } = await createDroplet(atoll.api);
    await atoll.world.deleteBehindOurBack(`droplet-${id}`);
    await until(async () => (await getDroplet(atoll.api, id)).status === 'off');
    const refused = await act(id, 'power_on');
    expect(refused).toMatchObject({ status: 'errored', message: expect.stringContaining('gone') });
    expect(await atoll.compute.get(`droplet-${id}`)).toBeUndefined();
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
  });

  it('sweeps what was left over of a droplet that is gone', async () => {
    const { id } = await createDroplet(atoll.api);
    const { db } = atoll.database.store;
    await db
      .updateTable('droplets')
      .set({ deleted_at: new Date(), gone_at: new Date() })
      .where('id', '=', id)
      .execute();
    await atoll.restart();
    await expectNothingLeft(id);
  });
});
