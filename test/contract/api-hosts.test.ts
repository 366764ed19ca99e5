/** What a host has room for, asked for by the API: never more than the rule allows, and given back when a thing is gone. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { awkwardCompute } from '../support/awkward-compute.ts';
import { createDroplet, ended, getDroplet, order } from '../support/droplets.ts';
import { droplets, hostOf, nothing } from '../support/hosts.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { createVolume, newName, volumeOrder, volumesOf } from '../support/volumes.ts';

const engine = awkwardCompute();
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ wrap: { compute: engine.wrap } });
});
afterAll(() => atoll.close());

const { has: hostHas, promised, empty } = hostOf(() => atoll);

const refused = (body: object, path = '/v2/droplets'): Promise<{ id: string; message: string }> =>
  atoll.api.expect(422, 'POST', path, body);
const resize = async (id: number, size: string, diskToo = false) =>
  atoll.api.call('POST', `/v2/droplets/${id}/actions`, { type: 'resize', size, disk: diskToo });
const off = async (id: number) => {
  const begun = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, { type: 'power_off' });
  await ended(atoll.api, begun.action.id);
};

beforeEach(() => hostHas({}));
afterEach(() => empty());

describe('a host without limits', () => {
  it('takes what is ordered, and counts it', async () => {
    await createDroplet(atoll.api, { size: 'm-32vcpu-256gb' });
    expect(await promised()).toMatchObject({ things: 1, vcpus: 32, dedicated_mib: 262_144 });
  });
});

describe('an order that the host has no room for', () => {
  it('is a 422 with the figures, and makes nothing', async () => {
    await hostHas({ memoryMib: 1024 });
    await createDroplet(atoll.api, { size: 's-1vcpu-2gb' });
    const error = await refused({ ...order, name: undefined, names: ['a', 'b', 'c'] });
    expect(error.id).toBe('unprocessable_entity');
    expect(error.message).toContain(
      'There is room for 2 of these only, and not for one more: 1024 MiB of memory',
    );
    expect(error.message).toContain('are needed, but host box has 0 MiB left of 4096 MiB');
    expect((await atoll.api.expect(200, 'GET', '/v2/droplets')).meta.total).toBe(1);
    await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, name: undefined, names: ['a', 'b'] });
    expect((await refused(order)).message).toContain('Destroy what is not needed');
  });

  it('of a dedicated size counts once what a Basic one shares', async () => {
    await hostHas({ memoryMib: 4096 });
    await createDroplet(atoll.api, { size: 's-1vcpu-1gb' });
    const error = await refused({ ...order, size: 'c-2' });
    expect(error.message).toContain(
      '4096 MiB of memory of its own are needed, but host box has 3840 MiB left of 4096 MiB.',
    );
    await hostHas({ memoryMib: 4096, rule: { memoryRatio: 1 } });
    expect((await refused({ ...order, size: 's-2vcpu-4gb' })).message).toContain(
      'has 3072 MiB left of 4096 MiB',
    );
  });

  it('is refused for its disk, by the sum of sizes and by what is free now', async () => {
    await hostHas({ poolGib: 10, rule: { diskRatio: 5 } });
    await createDroplet(atoll.api);
    await createDroplet(atoll.api);
    expect((await refused(order)).message).toContain(
      '25 GiB of disk are needed, but host box has 0 GiB left of 50',
    );
    await hostHas({ poolGib: 100, poolFreeGib: 9 });
    expect((await refused(order)).message).toContain(
      'has 9 GiB free of 100 GiB, and 10 GiB are to be kept free',
    );
  });

  it('has no room for what writes into a pool that is nearly full', async () => {
    const { id } = await createDroplet(atoll.api);
    await hostHas({ poolGib: 100, poolFreeGib: 9 });
    const path = `/v2/droplets/${id}/actions`;
    for (const body of [
      { type: 'snapshot', name: 'kept' },
      { type: 'rebuild', image: 'debian-12-x64' },
    ])
      expect((await refused(body, path)).message).toContain('10 GiB are to be kept free');
    const begun = await atoll.api.expect(201, 'POST', path, { type: 'reboot' });
    expect((await ended(atoll.api, begun.action.id)).status).toBe('completed');
  });
});

describe('a resize', () => {
  it('has room for what it makes larger, or is refused', async () => {
    await hostHas({ memoryMib: 1024, poolGib: 10 });
    const { id } = await createDroplet(atoll.api);
    await off(id);
    expect((await resize(id, 's-2vcpu-4gb')).status).toBe(201);
    await until(async () => (await getDroplet(atoll.api, id)).size_slug === 's-2vcpu-4gb');
    await until(async () => !(await getDroplet(atoll.api, id)).locked);
    expect(await promised()).toMatchObject({ things: 1, vcpus: 2, shared_mib: 4096, disk_gib: 25 });
    const larger = await resize(id, 's-4vcpu-8gb');
    expect(larger.status).toBe(422);
    expect(larger.body.message).toContain(
      '8192 MiB of memory are needed, but host box has 4096 MiB left of 4096',
    );
    // One that needs no more of what is full is none of the host's business.
    await hostHas({ memoryMib: 256, poolGib: 10 });
    expect((await resize(id, 's-1vcpu-2gb')).status).toBe(201);
    await until(async () => (await promised()).shared_mib === 2048);
    const diskToo = await resize(id, 's-2vcpu-2gb', true);
    expect(diskToo.status).toBe(201);
    await until(async () => (await promised()).disk_gib === 60);
  });

  it('to a smaller size gives back nothing before it is done, and nothing if it errs', async () => {
    await hostHas({ memoryMib: 1024 });
    const { id } = await createDroplet(atoll.api);
    await off(id);
    const resized = async (size: string) => {
      const begun = await resize(id, size);
      expect(begun.status).toBe(201);
      return (await ended(atoll.api, begun.body.action.id)).status;
    };
    expect(await resized('s-2vcpu-4gb')).toBe('completed');
    atoll.world.fail('resize', new EngineError('rejected', 'it will not'));
    expect(await resized('s-1vcpu-1gb')).toBe('errored');
    expect(await promised()).toMatchObject({ vcpus: 2, shared_mib: 4096 });
    const letGo = engine.hold('resize');
    const begun = await resize(id, 's-1vcpu-2gb');
    expect((await refused(order)).message).toContain('has 0 MiB left of 4096 MiB');
    letGo();
    expect((await ended(atoll.api, begun.body.action.id)).status).toBe('completed');
    expect(await promised()).toMatchObject({ vcpus: 1, shared_mib: 2048 });
    await createDroplet(atoll.api);
  });

  it('that errs gives back what it had asked for', async () => {
    await hostHas({ memoryMib: 4096 });
    const { id } = await createDroplet(atoll.api);
    await off(id);
    atoll.world.fail('resize', new EngineError('rejected', 'it will not'));
    const begun = await resize(id, 's-2vcpu-4gb', true);
    expect((await ended(atoll.api, begun.body.action.id)).status).toBe('errored');
    expect(await promised()).toEqual(droplets(1));
  });
});

it('a droplet that is deleted keeps its room until its machine is gone, also over a crash', async () => {
  await hostHas({ memoryMib: 256 });
  const { id } = await createDroplet(atoll.api);
  const letGo = engine.hold('delete');
  await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
  expect((await refused(order)).message).toContain('has 0 MiB left of 1024 MiB');
  await hostHas({ memoryMib: 256 });
  expect(await promised()).toEqual(droplets(1));
  letGo();
  await until(async () => (await promised()).things === 0);
  await createDroplet(atoll.api);
});

it('a droplet that could not be made keeps its room until it is deleted: it may be tried again', async () => {
  await hostHas({ memoryMib: 256 });
  atoll.world.fail('create', new EngineError('exhausted', 'no room'));
  const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', order);
  expect((await ended(atoll.api, links.actions[0].id)).status).toBe('errored');
  await refused(order);
  await atoll.api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
  await until(async () => (await promised()).things === 0);
});

describe('volumes', () => {
  const { create, act, held } = volumesOf(() => atoll);

  it('have room, when they are made and when they grow, and give it back when their bytes are gone', async () => {
    await hostHas({ volumesGib: 10 });
    const { id } = await create({ size_gigabytes: 60 });
    expect(
      (await refused({ ...volumeOrder, name: newName(), size_gigabytes: 41 }, '/v2/volumes')).message,
    ).toContain(
      '41 GiB for volumes are needed, but host box has 40 GiB left of 100 GiB (10 GiB of disk, promised up to 10 times). Delete volumes',
    );
    expect((await act(id, { type: 'resize', size_gigabytes: 70 })).status).toBe('completed');
    const path = `/v2/volumes/${id}/actions`;
    expect((await refused({ type: 'resize', size_gigabytes: 101 }, path)).message).toContain(
      '101 GiB for volumes are needed, but host box has 100 GiB left',
    );
    expect(await promised()).toEqual({ ...nothing, things: 1, volume_gib: 70 });
    atoll.host.fail('deleteVolume', new EngineError('unavailable', 'not now'), 3);
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${id}`);
    expect((await promised()).volume_gib).toBe(70);
    await until(async () => (await promised()).things === 0);
  });

  it('of a snapshot take as much as they are to have', async () => {
    const { id } = await create({ size_gigabytes: 20 });
    const { snapshot } = await atoll.api.expect(201, 'POST', `/v2/volumes/${id}/snapshots`, { name: 'kept' });
    await hostHas({ volumesGib: 3 });
    const copy = { name: newName(), snapshot_id: snapshot.id };
    expect((await refused({ ...copy, size_gigabytes: undefined }, '/v2/volumes')).message).toContain(
      '20 GiB for volumes are needed, but host box has 10 GiB left of 30 GiB',
    );
    await hostHas({ volumesGib: 4 });
    await create({ ...copy, size_gigabytes: undefined, region: undefined });
    expect((await promised()).volume_gib).toBe(40);
    await until(async () => (await atoll.api.call('DELETE', `/v2/snapshots/${snapshot.id}`)).status === 204);
  });

  it('give back what a resize that errs had asked for', async () => {
    const { id } = await create();
    await until(async () => (await held(id)) !== undefined);
    atoll.host.fail('ensureVolume', new EngineError('exhausted', 'no room'), 5);
    expect((await act(id, { type: 'resize', size_gigabytes: 70 })).status).toBe('errored');
    expect((await promised()).volume_gib).toBe(10);
  });
});

it('a home of before there were hosts gets the room of what it has, and orders nothing more than the rule allows', async () => {
  await createDroplet(atoll.api);
  await createDroplet(atoll.api, { size: 'c-2' });
  await createVolume(atoll.api);
  const before = await promised();
  await atoll.database.store.db.deleteFrom('host_reservations').execute();
  expect((await promised()).things).toBe(0);
  await hostHas({ memoryMib: 1024, volumesGib: 1 });
  expect(await promised()).toEqual(before);
  expect((await refused(order)).message).toContain('has 0 MiB left of 4096 MiB');
  const { droplets: all } = await atoll.api.expect(200, 'GET', '/v2/droplets');
  for (const { id } of all) {
    const begun = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, { type: 'reboot' });
    expect((await ended(atoll.api, begun.action.id)).status).toBe('completed');
  }
});

it('an autoscale pool that meets a full host says why, and grows when there is room', async () => {
  await hostHas({ memoryMib: 512 });
  const { api } = atoll;
  const other = await createDroplet(api);
  const { ssh_key } = await api.expect(201, 'POST', '/v2/account/keys', {
    name: 'pool',
    public_key: publicKey(),
  });
  const { autoscale_pool } = await api.expect(202, 'POST', '/v2/droplets/autoscale', {
    name: 'pool',
    config: { target_number_instances: 2 },
    droplet_template: { ...order, name: undefined, ssh_keys: [ssh_key.fingerprint] },
  });
  const path = `/v2/droplets/autoscale/${autoscale_pool.id}`;
  const newest = async () => (await api.expect(200, 'GET', `${path}/history`)).history[0];
  await until(async () => (await newest())?.status === 'error');
  expect((await newest()).error_reason).toContain('1024 MiB of memory are needed, but host box has');
  await until(async () => (await api.expect(200, 'GET', path)).autoscale_pool.status === 'error');
  await api.expect(204, 'DELETE', `/v2/droplets/${other.id}`);
  await until(async () => (await promised()).things === 0);
  await api.expect(200, 'PUT', path, {
    name: 'pool',
    config: { target_number_instances: 2 },
    droplet_template: { ...order, name: undefined, ssh_keys: [ssh_key.fingerprint] },
  });
  await until(async () => (await api.expect(200, 'GET', path)).autoscale_pool.active_resources_count === 2);
  await api.expect(202, 'DELETE', `${path}/dangerous`, undefined, { 'x-dangerous': 'true' });
  // The loop deletes its members, one by one.
  await until(async () => (await api.expect(200, 'GET', '/v2/droplets')).droplets.length === 0);
});
