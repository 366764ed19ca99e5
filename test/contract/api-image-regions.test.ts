/** An image is only where its regions say: what was not transferred cannot be used elsewhere. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient } from '../support/api-client.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, order } from '../support/droplets.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { volumeOrder } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

/** A snapshot of a droplet of this region, when it is taken. */
async function snapshotIn(api: ApiClient, region: string): Promise<number> {
  const { id } = await createDroplet(api, { region });
  const taken = await act(api, id, { type: 'snapshot', name: 'golden' });
  expect(taken.status).toBe('completed');
  const { snapshots } = await api.expect(200, 'GET', `/v2/droplets/${id}/snapshots`);
  return snapshots[0].id;
}

/** A custom image in this region, when it is imported. */
async function importedIn(api: ApiClient, region: string): Promise<number> {
  const wanted = { name: 'mine', url: 'https://images.example.com/tiny.qcow2', region };
  const { image } = await api.expect(202, 'POST', '/v2/images', wanted);
  const status = async () => (await api.expect(200, 'GET', `/v2/images/${image.id}`)).image.status;
  await until(async () => (await status()) === 'available');
  return image.id;
}

async function act(api: ApiClient, droplet: number, body: object) {
  const { action } = await api.expect(201, 'POST', `/v2/droplets/${droplet}/actions`, body);
  return ended(api, action.id);
}

const transfer = (api: ApiClient, image: number, region: string) =>
  api.expect(201, 'POST', `/v2/images/${image}/actions`, { type: 'transfer', region });

const total = async (api: ApiClient) => (await api.expect(200, 'GET', '/v2/droplets')).meta.total as number;

/** The refusal of a request that must have made nothing. */
async function refused(api: ApiClient, path: string, body: object): Promise<string> {
  const before = await total(api);
  const { message } = await api.expect(422, 'POST', path, body);
  expect(await total(api)).toBe(before);
  return message;
}

describe.each([
  ['a snapshot', snapshotIn],
  ['a custom image', importedIn],
])('%s', (_what, makeIn) => {
  it('makes droplets where it is, and elsewhere when it was transferred', async () => {
    const { api } = await atoll.newTeam();
    const image = await makeIn(api, 'nyc3');
    const wrong = `image ${image} is not available in the region fra1, only in nyc3. Transfer it to fra1 first: `;
    for (const names of [{ name: 'a' }, { name: undefined, names: ['a', 'b'] }]) {
      for (const id of [image, String(image)]) {
        const there = { ...order, ...names, region: 'fra1', image: id };
        expect(await refused(api, '/v2/droplets', there)).toContain(wrong);
      }
    }
    await createDroplet(api, { image });
    await transfer(api, image, 'fra1');
    expect(await createDroplet(api, { region: 'fra1', image })).toMatchObject({ status: 'active' });
    expect(await refused(api, '/v2/droplets', { ...order, region: 'sfo3', image })).toContain(
      `image ${image} is not available in the region sfo3, only in nyc3, fra1.`,
    );
  });

  it('rebuilds droplets of its regions only', async () => {
    const { api } = await atoll.newTeam();
    const image = await makeIn(api, 'nyc3');
    const { id } = await createDroplet(api, { region: 'fra1' });
    const rebuild = { type: 'rebuild', image };
    expect(await refused(api, `/v2/droplets/${id}/actions`, rebuild)).toContain(
      `image ${image} is not available in the region fra1`,
    );
    await transfer(api, image, 'fra1');
    expect((await act(api, id, rebuild)).status).toBe('completed');
  });

  it('is the template of a pool in its regions only', async () => {
    const { api } = await atoll.newTeam();
    const image = await makeIn(api, 'nyc3');
    const key = { name: 'pool', public_key: publicKey() };
    const { ssh_key } = await api.expect(201, 'POST', '/v2/account/keys', key);
    const pool = (region: string, of: number | string) => ({
      name: `pool-${image}`,
      config: { target_number_instances: 1 },
      droplet_template: {
        ...order,
        name: 'member',
        region,
        image: String(of),
        ssh_keys: [ssh_key.fingerprint],
      },
    });
    const root = '/v2/droplets/autoscale';
    expect(await refused(api, root, pool('fra1', image))).toContain(
      `image ${image} is not available in the region fra1`,
    );
    const made = await api.expect(202, 'POST', root, pool('fra1', 'debian-12-x64'));
    const path = `${root}/${made.autoscale_pool.id}`;
    const change = await api.expect(422, 'PUT', path, pool('fra1', image));
    expect(change.message).toContain(`image ${image} is not available in the region fra1`);
    await transfer(api, image, 'fra1');
    await api.expect(200, 'PUT', path, pool('fra1', image));
    await api.expect(202, 'DELETE', path);
  });
});

it('a droplet is restored only from an image of its region', async () => {
  const { api } = await atoll.newTeam();
  const image = await snapshotIn(api, 'nyc3');
  const { snapshot } = await api.expect(200, 'GET', `/v2/snapshots/${image}`);
  const droplet = Number(snapshot.resource_id);
  expect((await act(api, droplet, { type: 'restore', image })).status).toBe('completed');
  const { db } = atoll.database.store;
  await db
    .updateTable('images')
    .set({ regions: ['fra1'] })
    .where('id', '=', image)
    .execute();
  const restore = { type: 'restore', image };
  expect(await refused(api, `/v2/droplets/${droplet}/actions`, restore)).toContain(
    `image ${image} is not available in the region nyc3, only in fra1.`,
  );
});

it('a region that the published list of images lacks is one like any other', async () => {
  const { api, token } = await atoll.newTeam();
  const image = await importedIn(api, 'nyc3');
  const call = async (url: string, body: object) => {
    // Not by the client of the tests, which holds each answer against that list.
    const headers = { authorization: `Bearer ${token}` };
    const answer = await atoll.plane.server.inject({ method: 'POST', url, headers, payload: body });
    return [answer.statusCode, answer.json()] as const;
  };
  const there = { ...order, region: 'atl1', image };
  expect((await call('/v2/droplets', there))[0]).toBe(422);
  const [status, { action }] = await call(`/v2/images/${image}/actions`, {
    type: 'transfer',
    region: 'atl1',
  });
  expect([status, action.region_slug]).toEqual([201, 'atl1']);
  expect((await call('/v2/droplets', there))[0]).toBe(202);
});

it('public images are in all regions', async () => {
  const { api } = await atoll.newTeam();
  const { regions } = await api.expect(200, 'GET', '/v2/regions');
  for (const { slug } of regions) {
    await api.expect(202, 'POST', '/v2/droplets', { ...order, region: slug });
  }
});

it('the snapshot of a volume makes volumes in its region only', async () => {
  const { api } = await atoll.newTeam();
  const { volume } = await api.expect(201, 'POST', '/v2/volumes', volumeOrder);
  const { snapshot } = await api.expect(201, 'POST', `/v2/volumes/${volume.id}/snapshots`, {
    name: 'a',
  });
  const copy = { ...volumeOrder, name: 'copy', snapshot_id: snapshot.id };
  const { message } = await api.expect(422, 'POST', '/v2/volumes', { ...copy, region: 'fra1' });
  expect(message).toMatch(/^region differs from the snapshot's, which is in nyc3/);
  await api.expect(201, 'POST', '/v2/volumes', copy);
});
