import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, getDroplet } from '../support/droplets.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const create = (extra?: object) => createDroplet(atoll.api, extra);
const get = (id: number) => getDroplet(atoll.api, id);
const machine = (id: number) => atoll.compute.get(`droplet-${id}`);

/** Begins an action and answers it when it has ended. */
async function act(id: number, body: object) {
  const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
  return ended(atoll.api, action.id);
}
const done = async (id: number, body: object) => expect((await act(id, body)).status).toBe('completed');
const refused = async (id: number, body: object) =>
  (await atoll.api.expect(422, 'POST', `/v2/droplets/${id}/actions`, body)).message as string;
const off = (id: number) => done(id, { type: 'power_off' });

/** The images of a droplet by type, newest last. */
const snapshotsOf = async (id: number): Promise<number[]> => (await get(id)).snapshot_ids;

describe('resize', () => {
  it('changes CPUs and memory there and back, and the disk only when told and only upwards', async () => {
    const { id } = await create();
    expect(await refused(id, { type: 'resize', size: 's-2vcpu-2gb' })).toMatch(/powered off/);
    await off(id);
    await done(id, { type: 'resize', size: 's-2vcpu-2gb' });
    expect(await get(id)).toMatchObject({
      status: 'off',
      size_slug: 's-2vcpu-2gb',
      vcpus: 2,
      memory: 2048,
      disk: 25,
    });
    expect((await machine(id))?.size).toEqual({ vcpus: 2, memoryMib: 2048, diskGib: 25 });
    await done(id, { type: 'resize', size: 's-1vcpu-1gb' });
    expect((await machine(id))?.size).toEqual({ vcpus: 1, memoryMib: 1024, diskGib: 25 });
    await done(id, { type: 'resize', size: 's-2vcpu-4gb', disk: true });
    expect(await get(id)).toMatchObject({ disk: 80, vcpus: 2 });
    expect((await machine(id))?.size.diskGib).toBe(80);
    expect(await refused(id, { type: 'resize', size: 's-1vcpu-1gb' })).toMatch(/cannot become smaller/);
    expect(await refused(id, { type: 'resize' })).toMatch(/^size /);
    expect(await refused(id, { type: 'resize', size: 'nope' })).toMatch(/^size /);
  });

  it('is as it was when there is no room', async () => {
    const { id } = await create();
    await off(id);
    atoll.world.fail('resize', new EngineError('exhausted', 'full'));
    expect(await act(id, { type: 'resize', size: 's-2vcpu-4gb', disk: true })).toMatchObject({
      status: 'errored',
      message: expect.stringContaining('no room'),
    });
    expect(await get(id)).toMatchObject({ size_slug: 's-1vcpu-1gb', disk: 25, locked: false });
    await done(id, { type: 'power_on' });
  });
});

describe('snapshots of droplets', () => {
  it('are taken live, listed, and outlive the droplet', async () => {
    const { id } = await create();
    await done(id, { type: 'snapshot', name: 'before' });
    const [image] = await snapshotsOf(id);
    expect(await get(id)).toMatchObject({ status: 'active' });
    expect((await atoll.api.expect(200, 'GET', `/v2/images/${image}`)).image).toMatchObject({
      name: 'before',
      type: 'snapshot',
      status: 'available',
      public: false,
    });
    expect((await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/snapshots`)).snapshots).toHaveLength(1);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await until(async () => (await machine(id)) === undefined);
    await atoll.api.expect(200, 'GET', `/v2/images/${image}`);
    const copy = await create({ image });
    expect(copy.image).toMatchObject({ id: image, name: 'before' });
    expect((await machine(copy.id))?.state).toBe('running');
    await atoll.api.expect(204, 'DELETE', `/v2/images/${image}`);
    await until(
      async () => !(await atoll.compute.listSnapshots()).some(({ urn }) => urn === `do:image:${image}`),
    );
    await atoll.api.expect(422, 'POST', '/v2/droplets', { name: 'a', size: 's-1vcpu-1gb', image });
  });

  it('err with their action when the engine has no room, and leave no image behind', async () => {
    const { id } = await create();
    atoll.world.fail('snapshotDisk', new EngineError('exhausted', 'full'));
    expect((await act(id, { type: 'snapshot', name: 'no room' })).status).toBe('errored');
    expect(await snapshotsOf(id)).toEqual([]);
    const { images } = await atoll.api.expect(200, 'GET', '/v2/images?private=true&per_page=200');
    expect(
      images.filter(
        (image: { name: string; status: string }) => image.name === 'no room' && image.status === 'available',
      ),
    ).toEqual([]);
  });
});

describe('a new disk', () => {
  it('comes by rebuild and keeps the addresses', async () => {
    const before = await create();
    await done(before.id, { type: 'rebuild', image: 'debian-13-x64' });
    const after = await get(before.id);
    expect(after).toMatchObject({
      status: 'active',
      image: { slug: 'debian-13-x64' },
      networks: before.networks,
    });
    expect((await machine(before.id))?.root).toBe(2);
  });

  it('comes by restore, of a snapshot of this droplet only', async () => {
    const { id } = await create();
    const other = await create();
    await done(id, { type: 'snapshot', name: 'mine' });
    const [image] = await snapshotsOf(id);
    await done(id, { type: 'restore', image });
    expect((await machine(id))?.root).toBe(2);
    expect(await refused(other.id, { type: 'restore', image })).toMatch(/^image /);
    expect(await refused(id, { type: 'restore', image: 'debian-12-x64' })).toMatch(/^image /);
    for (const odd of ['1.5', '1e30', 'Infinity', `${image}.0`, `0x${Number(image).toString(16)}`])
      expect(await refused(id, { type: 'restore', image: odd })).toMatch(
        /^image .* is not a backup or snapshot/,
      );
    expect(await refused(id, { type: 'rebuild' })).toMatch(/^image /);
  });

  it('leaves the droplet as it was where it cannot be made', async () => {
    const { id } = await create();
    atoll.world.fail('replaceDisk', new EngineError('exhausted', 'full'));
    expect((await act(id, { type: 'rebuild', image: 'debian-13-x64' })).status).toBe('errored');
    expect(await get(id)).toMatchObject({
      image: { slug: 'debian-12-x64' },
      status: 'active',
      locked: false,
    });
    expect((await machine(id))?.root).toBe(1);
    await done(id, { type: 'rebuild', image: 'debian-13-x64' });
  });
});

describe('other changes', () => {
  it('enables IPv6, once', async () => {
    const { id } = await create();
    await done(id, { type: 'enable_ipv6' });
    const droplet = await get(id);
    expect(droplet.features).toContain('ipv6');
    expect(droplet.networks.v6).toHaveLength(1);
    expect((await machine(id))?.ipv6).toBe(true);
    await refused(id, { type: 'enable_ipv6' });
    await done(id, { type: 'enable_private_networking' });
  });

  it('enables, changes and disables backups', async () => {
    const { id } = await create();
    await refused(id, { type: 'disable_backups' });
    await done(id, { type: 'enable_backups', backup_policy: { plan: 'weekly', weekday: 'MON', hour: 8 } });
    const droplet = await get(id);
    expect(droplet.features).toContain('backups');
    expect(new Date(droplet.next_backup_window.start).getUTCHours()).toBe(8);
    await done(id, { type: 'change_backup_policy', backup_policy: { plan: 'daily', hour: 4 } });
    expect(new Date((await get(id)).next_backup_window.start).getUTCHours()).toBe(4);
    await done(id, { type: 'disable_backups' });
    expect(await get(id)).toMatchObject({ next_backup_window: null, features: ['private_networking'] });
    const made = await create({ backups: true, backup_policy: { plan: 'weekly', weekday: 'SUN', hour: 0 } });
    expect(made.next_backup_window.start).toMatch(/T00:00:00Z$/);
  });

  it('resets the password of a droplet, also of one that is off', async () => {
    const { id } = await create();
    await off(id);
    await done(id, { type: 'password_reset' });
    expect(await get(id)).toMatchObject({ status: 'active' });
    expect(atoll.letters.get(`droplet-${id}-password`)?.text).toMatch(/^Password: \S{16}$/m);
    const row = await atoll.database.store.db
      .selectFrom('droplets')
      .select('new_password')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    expect(row.new_password).toBeNull();
  });

  it('answers a change of the kernel as DigitalOcean does for droplets of today', async () => {
    const { id } = await create();
    await refused(id, { type: 'change_kernel', kernel: 1 });
    expect(await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/kernels`)).toMatchObject({ kernels: [] });
    expect(await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/firewalls`)).toMatchObject({
      firewalls: [],
    });
  });
});
