/** Volumes on droplets: attached, detached, and ordered with new droplets. */
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { awkwardCompute } from '../support/awkward-compute.ts';
import { createDroplet, ended, getDroplet, order } from '../support/droplets.ts';
import { until } from '../support/until.ts';
import { unknownVolume, volumesOf } from '../support/volumes.ts';

const engine = awkwardCompute();
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ wrap: { compute: engine.wrap } });
});
afterAll(() => atoll.close());

const { create, get, act, droplet, refused, held } = volumesOf(() => atoll);
const attachedTo = async (id: number) => (await atoll.compute.get(`droplet-${id}`))?.volumes;

describe('attaching and detaching', () => {
  it('attaches a volume to a running droplet, and detaches it with its data', async () => {
    const [id, { id: volume }] = await Promise.all([droplet(), create()]);
    const attach = await act(volume, { type: 'attach', droplet_id: id, tags: ['attached'] });
    expect(attach).toMatchObject({
      type: 'attach_volume',
      status: 'completed',
      resource_id: null,
      resource_type: 'volume',
      region_slug: 'nyc3',
    });
    expect(await get(volume)).toMatchObject({ droplet_ids: [id], tags: ['attached'] });
    expect(await getDroplet(atoll.api, id)).toMatchObject({ volume_ids: [volume], locked: false });
    expect(await attachedTo(id)).toEqual([volume]);
    await atoll.host.writeVolume(volume, 'kept');
    expect(await act(volume, { type: 'detach', droplet_id: id })).toMatchObject({
      type: 'detach_volume',
      status: 'completed',
    });
    expect((await get(volume)).droplet_ids).toEqual([]);
    expect((await getDroplet(atoll.api, id)).volume_ids).toEqual([]);
    expect(await attachedTo(id)).toEqual([]);
    const other = await droplet();
    await act(volume, { type: 'attach', droplet_id: other });
    expect(atoll.host.readVolume(volume)).toBe('kept');
    const { actions } = await atoll.api.expect(200, 'GET', `/v2/volumes/${volume}/actions`);
    expect(actions.map(({ type }: { type: string }) => type)).toEqual([
      'attach_volume',
      'detach_volume',
      'attach_volume',
    ]);
    const one = await atoll.api.expect(200, 'GET', `/v2/volumes/${volume}/actions/${attach.id}`);
    expect(one.action.id).toBe(attach.id);
    await atoll.api.expect(404, 'GET', `/v2/volumes/${volume}/actions/1`);
  });

  it('goes by the name of the volume too', async () => {
    const [id, { id: volume, name }] = await Promise.all([droplet(), create()]);
    const ask = async (body: object) => {
      const named = { volume_name: name, region: 'nyc3', ...body };
      const { action } = await atoll.api.expect(202, 'POST', '/v2/volumes/actions', named);
      return (await ended(atoll.api, action.id)).status;
    };
    expect(await ask({ type: 'attach', droplet_id: id })).toBe('completed');
    expect((await get(volume)).droplet_ids).toEqual([id]);
    expect(await ask({ type: 'detach' })).toBe('completed');
    const gone = { volume_name: 'no-such', type: 'attach', droplet_id: id };
    await atoll.api.expect(404, 'POST', '/v2/volumes/actions', gone);
  });

  it('refuses in the words that clients look for', async () => {
    const [id, other, { id: volume }, far] = await Promise.all([
      droplet(),
      droplet(),
      create(),
      create({ region: 'fra1' }),
    ]);
    const path = `/v2/volumes/${volume}/actions`;
    expect(await refused(422, path, { type: 'detach', droplet_id: id })).toBe('Attachment not found');
    expect(await refused(422, path, { type: 'detach' })).toBe('Attachment not found');
    await act(volume, { type: 'attach', droplet_id: id });
    for (const droplet_id of [id, other]) {
      const message = await refused(422, path, { type: 'attach', droplet_id });
      expect(message).toMatch(/^This volume is already attached/);
    }
    expect(await refused(422, path, { type: 'detach', droplet_id: other })).toBe('Attachment not found');
    expect(await refused(422, path, { type: 'attach' })).toMatch(/^droplet_id is missing/);
    expect(await refused(422, path, { type: 'explode' })).toMatch(/^type /);
    expect(await refused(422, path, { type: 'detach', droplet_id: id, region: 'fra1' })).toMatch(/^region /);
    await refused(404, path, { type: 'attach', droplet_id: 1 });
    const elsewhere = { type: 'attach', droplet_id: id };
    expect(await refused(422, `/v2/volumes/${far.id}/actions`, elsewhere)).toMatch(/same region/);
  });

  it('allows one event at a time, and one droplet', async () => {
    const [first, second, volume] = await Promise.all([droplet(), droplet(), create()]);
    const answers = await Promise.all(
      [first, second, first, second].map((droplet_id) =>
        atoll.api.call('POST', `/v2/volumes/${volume.id}/actions`, { type: 'attach', droplet_id }),
      ),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    for (const { status, body } of answers) {
      if (status === 202) expect((await ended(atoll.api, body.action.id)).status).toBe('completed');
      else
        expect(body.message).toMatch(
          /^(Droplet already has a pending event\.|This volume is already attached\.)$/,
        );
    }
    const on = (await get(volume.id)).droplet_ids;
    expect(on).toHaveLength(1);
    expect(await attachedTo(first)).toEqual(on[0] === first ? [volume.id] : []);
    expect(await attachedTo(second)).toEqual(on[0] === second ? [volume.id] : []);
  });

  it('attaches at most fifteen to one droplet', async () => {
    const id = await droplet();
    const volumes = await Promise.all(Array.from({ length: 16 }, () => create({ size_gigabytes: 1 })));
    const [last, ...rest] = volumes.map((volume) => volume.id as string);
    await atoll.database.store.db
      .updateTable('volumes')
      .set({ droplet_id: id })
      .where('id', 'in', rest)
      .execute();
    const message = await refused(422, `/v2/volumes/${last}/actions`, { type: 'attach', droplet_id: id });
    expect(message).toMatch(/at most 15 volumes/);
  });

  it('puts a volume back where it was when the machine refuses', async () => {
    const [id, { id: volume }] = await Promise.all([droplet(), create()]);
    await until(async () => (await held(volume)) !== undefined);
    atoll.host.fail('ensureVolume', new EngineError('exhausted', 'full'));
    expect((await act(volume, { type: 'attach', droplet_id: id })).status).toBe('errored');
    expect((await get(volume)).droplet_ids).toEqual([]);
    expect(await getDroplet(atoll.api, id)).toMatchObject({ status: 'active', locked: false });
    expect((await act(volume, { type: 'attach', droplet_id: id })).status).toBe('completed');
  });

  it('leaves a volume attached that is in use inside of the machine', async () => {
    const [id, { id: volume }] = await Promise.all([droplet(), create()]);
    await act(volume, { type: 'attach', droplet_id: id });
    atoll.world.fail('detachVolume', new EngineError('rejected', 'in use'));
    expect((await act(volume, { type: 'detach', droplet_id: id })).status).toBe('errored');
    expect((await get(volume)).droplet_ids).toEqual([id]);
    expect(await attachedTo(id)).toEqual([volume]);
    expect((await act(volume, { type: 'detach', droplet_id: id })).status).toBe('completed');
  });

  it('is attached where it was found when the machine got it though the step failed', async () => {
    const [id, other, { id: volume }] = [await droplet(), await droplet(), await create()];
    engine.afterwards('attachVolume', new EngineError('rejected', 'got it, and stumbled'));
    expect((await act(volume, { type: 'attach', droplet_id: id })).status).toBe('errored');
    expect(await attachedTo(id)).toEqual([volume]);
    expect((await get(volume)).droplet_ids).toEqual([id]);
    const path = `/v2/volumes/${volume}/actions`;
    expect(await refused(422, path, { type: 'attach', droplet_id: other })).toMatch(/already attached/);
  });

  it('goes on when the engine is back', async () => {
    const [id, { id: volume }] = await Promise.all([droplet(), create()]);
    atoll.world.fail('attachVolume', new EngineError('unavailable', 'away'), 2);
    expect((await act(volume, { type: 'attach', droplet_id: id })).status).toBe('completed');
    expect(await attachedTo(id)).toEqual([volume]);
  });

  it('is not beaten by a delete at the same time', async () => {
    const [id, { id: volume }] = await Promise.all([droplet(), create()]);
    const [attach, gone] = await Promise.all([
      atoll.api.call('POST', `/v2/volumes/${volume}/actions`, { type: 'attach', droplet_id: id }),
      atoll.api.call('DELETE', `/v2/volumes/${volume}`),
    ]);
    expect([
      [202, 409],
      [404, 204],
    ]).toContainEqual([attach.status, gone.status]);
    await until(async () => !(await getDroplet(atoll.api, id)).locked);
    expect(await attachedTo(id)).toEqual(attach.status === 202 ? [volume] : []);
  });
});

describe('volumes of a new droplet', () => {
  it('takes all three forms that clients send', async () => {
    const volumes = await Promise.all([create(), create(), create()]);
    const [a, b, c] = volumes.map(({ id }) => id as string);
    const made = await createDroplet(atoll.api, { volumes: [a, { id: b }, { name: volumes[2].name }] });
    expect(new Set(made.volume_ids)).toEqual(new Set([a, b, c]));
    expect(new Set(await attachedTo(made.id))).toEqual(new Set([a, b, c]));
  });

  it('refuses what cannot be attached, and then makes nothing', async () => {
    const [taken, far, free] = await Promise.all([create(), create({ region: 'fra1' }), create()]);
    await droplet({ volumes: [taken.id] });
    const before = (await atoll.api.expect(200, 'GET', '/v2/droplets')).meta.total;
    for (const volumes of [
      [unknownVolume],
      ['no-such'],
      [7],
      [{}],
      [taken.id],
      [far.id],
      [free.id, free.id],
    ]) {
      expect(await refused(422, '/v2/droplets', { ...order, volumes })).toMatch(/^volumes\[\d\] /);
    }
    const many = Array.from({ length: 16 }, () => free.id);
    expect(await refused(422, '/v2/droplets', { ...order, volumes: many })).toMatch(/^volumes has 16/);
    expect((await atoll.api.expect(200, 'GET', '/v2/droplets')).meta.total).toBe(before);
    expect((await get(free.id)).droplet_ids).toEqual([]);
  });

  it('frees them when the droplet cannot be made', async () => {
    const { id: volume } = await create();
    atoll.world.fail('create', new EngineError('exhausted', 'full'));
    const body = { ...order, volumes: [volume] };
    const { links } = await atoll.api.expect(202, 'POST', '/v2/droplets', body);
    expect((await ended(atoll.api, links.actions[0].id)).status).toBe('errored');
    expect((await get(volume)).droplet_ids).toEqual([]);
    await droplet({ volumes: [volume] });
  });

  it('frees them when the droplet cannot be made, but not before what was made of it is gone', async () => {
    const [{ id: volume }, other] = [await create(), await droplet()];
    engine.afterwards('create', new EngineError('rejected', 'made by half'));
    const release = engine.hold('delete');
    const body = { ...order, volumes: [volume] };
    const { droplet: failed, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', body);
    expect((await ended(atoll.api, links.actions[0].id)).status).toBe('errored');
    expect(await attachedTo(failed.id)).toEqual([volume]);
    expect((await get(volume)).droplet_ids).toEqual([]);
    const path = `/v2/volumes/${volume}/actions`;
    const attach = { type: 'attach', droplet_id: other };
    expect(await refused(422, path, attach)).toBe('Droplet already has a pending event.');
    expect(await refused(422, '/v2/droplets', body)).toMatch(/^volumes\[0\] is attached to another Droplet/);
    expect(await refused(422, path, { type: 'detach' })).toBe('Attachment not found');
    release();
    await until(async () => (await atoll.api.call('POST', path, attach)).status === 202);
    expect(await atoll.compute.get(`droplet-${failed.id}`)).toBeUndefined();
    await until(async () => (await attachedTo(other))?.includes(volume) === true);
  });

  it('frees them when the droplet is deleted, but not before its machine is gone', async () => {
    const { id: volume } = await create();
    const first = await droplet({ volumes: [volume] });
    const second = await droplet();
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${first}`);
    expect((await get(volume)).droplet_ids).toEqual([]);
    let answer = await atoll.api.call('POST', `/v2/volumes/${volume}/actions`, {
      type: 'attach',
      droplet_id: second,
    });
    while (answer.status === 422) {
      expect(answer.body.message).toBe('Droplet already has a pending event.');
      answer = await atoll.api.call('POST', `/v2/volumes/${volume}/actions`, {
        type: 'attach',
        droplet_id: second,
      });
    }
    expect(await atoll.compute.get(`droplet-${first}`)).toBeUndefined();
    expect((await ended(atoll.api, answer.body.action.id)).status).toBe('completed');
    expect(await attachedTo(second)).toEqual([volume]);
  });

  it('keeps the bytes of a deleted volume until the machine that may have its device is gone', async () => {
    const { id: volume } = await create();
    const first = await droplet({ volumes: [volume] });
    const release = engine.hold('delete');
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${first}`);
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${volume}`);
    await setTimeout(1_000);
    expect(await attachedTo(first)).toEqual([volume]);
    expect(await held(volume)).toBeDefined();
    release();
    await until(async () => (await held(volume)) === undefined);
    expect(await atoll.compute.get(`droplet-${first}`)).toBeUndefined();
  });

  it('asks no engine about a deleted volume while a droplet may have it, whatever is in quarantine', async () => {
    const { db } = atoll.database.store;
    const stranger = { kind: 'machine', name: 'stranger', urn: 'do:droplet:1', found_at: new Date() };
    await db.insertInto('quarantined').values(stranger).execute();
    const { id: volume } = await create();
    const first = await droplet({ volumes: [volume] });
    const release = engine.hold('delete');
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${first}`);
    atoll.world.fail('list', new EngineError('unavailable', 'away'), 50);
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${volume}`);
    const row = db.selectFrom('reconcile').select('waiting_for').where('id', '=', volume);
    const waits = async () => (await row.executeTakeFirst())?.waiting_for;
    await until(async () => Boolean(await waits()));
    expect(await waits()).toMatch(`busy: droplet ${first}, which may have volume ${volume}`);
    const answers = () =>
      atoll.compute.list().then(
        () => true,
        () => false,
      );
    while (!(await answers())) continue;
    release();
    await until(async () => (await held(volume)) === undefined);
    await db.deleteFrom('quarantined').where('name', '=', stranger.name).execute();
  });

  it('deletes them while what was made of a droplet that cannot be made is there, but the bytes only after that', async () => {
    const { id: volume } = await create();
    engine.afterwards('create', new EngineError('rejected', 'made, and then refused'));
    const release = engine.hold('delete');
    const body = { ...order, volumes: [volume] };
    const { droplet: failed, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', body);
    expect((await ended(atoll.api, links.actions[0].id)).status).toBe('errored');
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${volume}`);
    await setTimeout(1_000);
    expect(await attachedTo(failed.id)).toEqual([volume]);
    expect(await held(volume)).toBeDefined();
    release();
    await until(async () => (await held(volume)) === undefined);
    expect(await atoll.compute.get(`droplet-${failed.id}`)).toBeUndefined();
  });

  it('ends an attach whose droplet is deleted meanwhile, and the volume can be deleted', async () => {
    const [id, { id: volume }] = await Promise.all([droplet(), create()]);
    const path = `/v2/volumes/${volume}/actions`;
    const { action } = await atoll.api.expect(202, 'POST', path, { type: 'attach', droplet_id: id });
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    expect((await ended(atoll.api, action.id)).status).not.toBe('in-progress');
    expect((await get(volume)).droplet_ids).toEqual([]);
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${volume}`);
    await until(async () => (await held(volume)) === undefined);
  });
});
