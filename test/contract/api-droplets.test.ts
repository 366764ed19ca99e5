import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyOf } from '../../src/store/any-of.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { ended as actionEnded, createDroplet, getDroplet, order } from '../support/droplets.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const create = (extra?: object) => createDroplet(atoll.api, extra);
const get = (id: number) => getDroplet(atoll.api, id);
const ended = (id: number) => actionEnded(atoll.api, id);

async function act(id: number, body: object) {
  const begun = (await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body)).action;
  expect(begun).toMatchObject({
    status: 'in-progress',
    completed_at: null,
    resource_id: id,
    resource_type: 'droplet',
  });
  return ended(begun.id);
}

describe('creating droplets', () => {
  it('answers at once with a locked new droplet and a link to its action, then makes it', async () => {
    const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', {
      ...order,
      tags: ['Web', 'a:b'],
    });
    expect(droplet).toMatchObject({
      name: 'web-1',
      status: 'new',
      locked: true,
      networks: { v4: [], v6: [] },
      size_slug: 's-1vcpu-1gb',
      region: { slug: 'nyc3' },
      image: { slug: 'debian-12-x64' },
      tags: ['Web', 'a:b'],
      features: ['private_networking'],
    });
    const [link] = links.actions;
    expect(link).toMatchObject({
      rel: 'create',
      href: expect.stringMatching(/^http:\/\/.*\/v2\/actions\/\d+$/),
    });
    expect(await ended(link.id)).toMatchObject({ type: 'create', status: 'completed', region_slug: 'nyc3' });
    const made = await get(droplet.id);
    expect(made).toMatchObject({ status: 'active', locked: false });
    expect(made.networks.v4.map((network: { type: string }) => network.type)).toEqual(['public', 'private']);
    const instance = await atoll.compute.get(`droplet-${droplet.id}`);
    expect(instance).toMatchObject({ state: 'running', urn: `do:droplet:${droplet.id}` });
  });

  it('makes several at once, each with its own addresses', async () => {
    const names = Array.from({ length: 10 }, (_, n) => `many-${n}`);
    const { droplets, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', {
      ...order,
      name: undefined,
      names,
    });
    expect(droplets.map((droplet: { name: string }) => droplet.name)).toEqual(names);
    expect(links.actions).toHaveLength(10);
    for (const { id } of links.actions) expect((await ended(id)).status).toBe('completed');
    const made = await Promise.all(droplets.map(({ id }: { id: number }) => get(id)));
    const addresses = made.flatMap(({ networks }) =>
      networks.v4.map((v4: { ip_address: string }) => v4.ip_address),
    );
    expect(new Set(addresses).size).toBe(20);
  });

  it('takes what real clients send: nulls, empty strings, false and unknown fields', async () => {
    const godo = { region: 'fra1', ssh_keys: null, volumes: null, tags: null, backups: false, ipv6: false };
    const droplet = await create({
      ...godo,
      private_networking: false,
      user_data: '',
      vpc_uuid: '',
      unknown: 1,
    });
    expect(droplet.region.slug).toBe('fra1');
    expect((await create({ region: 'ams' })).region.slug).toMatch(/^ams\d$/);
    expect((await create({ region: '' })).region.slug).toBe('nyc3');
  });

  it('keeps whether a public interface was wanted', async () => {
    const kept = async (extra: object) => {
      const { id } = await create(extra);
      const row = atoll.database.store.db
        .selectFrom('droplets')
        .select('public_networking')
        .where('id', '=', id);
      return (await row.executeTakeFirstOrThrow()).public_networking;
    };
    expect(await kept({ public_networking: false })).toBe(false);
    expect(await kept({})).toBe(true);
  });

  it('hands user data, keys, tags and addresses to the metadata service', async () => {
    const public_key =
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx8Kn1cpM6N4Cxz4mZ5Zb2Gd1Yq9h1Qk0sVwqHq5m2D test';
    const { ssh_key } = await atoll.api.expect(201, 'POST', '/v2/account/keys', { name: 'k', public_key });
    const droplet = await create({
      name: 'meta',
      user_data: '#!/bin/sh\necho hi\n',
      ssh_keys: [ssh_key.id, ssh_key.fingerprint],
      tags: ['one'],
      ipv6: true,
    });
    const [outside] = droplet.networks.v4;
    expect(atoll.host.metadata(droplet.id)).toMatchObject({
      droplet_id: droplet.id,
      hostname: 'meta',
      user_data: '#!/bin/sh\necho hi\n',
      public_keys: [public_key],
      tags: ['one'],
      interfaces: { public: [{ ipv4: { ip_address: outside.ip_address }, ipv6: { cidr: 64 } }] },
    });
    expect(droplet.networks.v6).toHaveLength(1);
    await atoll.api.expect(201, 'POST', '/v2/tags', { name: 'two' });
    const resources = [{ resource_id: String(droplet.id), resource_type: 'droplet' }];
    await atoll.api.expect(204, 'POST', '/v2/tags/two/resources', { resources });
    expect((await get(droplet.id)).tags).toEqual(['one', 'two']);
    await until(() => atoll.host.metadata(droplet.id)?.tags.includes('two') === true);
    await atoll.api.expect(204, 'DELETE', '/v2/tags/one');
    await until(() => atoll.host.metadata(droplet.id)?.tags.includes('one') === false);
  });
});

describe('droplet actions', () => {
  it('turns off, on, cycles, reboots and shuts down', async () => {
    const { id } = await create();
    const boot = async () => (await atoll.compute.get(`droplet-${id}`))?.boot;
    expect(await act(id, { type: 'power_off' })).toMatchObject({ status: 'completed', type: 'power_off' });
    expect(await get(id)).toMatchObject({ status: 'off', locked: false });
    const again = await atoll.api.expect(422, 'POST', `/v2/droplets/${id}/actions`, { type: 'power_off' });
    expect(again.message).toBe('Droplet is already powered off');
    expect((await act(id, { type: 'power_on' })).status).toBe('completed');
    expect(await get(id)).toMatchObject({ status: 'active' });
    expect(await boot()).toBe(1);
    await act(id, { type: 'reboot' });
    await act(id, { type: 'power_cycle' });
    expect(await boot()).toBe(3);
    await act(id, { type: 'shutdown' });
    expect(await get(id)).toMatchObject({ status: 'off' });
    const { actions, meta } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/actions`);
    expect(actions.map(({ type }: { type: string }) => type)).toEqual([
      'shutdown',
      'power_cycle',
      'reboot',
      'power_on',
      'power_off',
      'create',
    ]);
    expect(meta.total).toBe(6);
    await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/actions/${actions[0].id}`);
  });

  it('renames', async () => {
    const { id } = await create();
    expect((await act(id, { type: 'rename', name: 'new.example.com' })).status).toBe('completed');
    expect((await get(id)).name).toBe('new.example.com');
    expect(atoll.host.metadata(id)?.hostname).toBe('new.example.com');
    await atoll.api.expect(422, 'POST', `/v2/droplets/${id}/actions`, { type: 'rename', name: 'no_way' });
  });

  it('allows one pending action per droplet', async () => {
    const { id } = await create();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        atoll.api.call('POST', `/v2/droplets/${id}/actions`, { type: 'power_cycle' }),
      ),
    );
    const refused = answers.filter(({ status }) => status === 422);
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThan(0);
    for (const { body } of refused) expect(body.message).toBe('Droplet already has a pending event.');
  });

  it('acts on all droplets with a tag, or on none', async () => {
    const first = await create({ tags: ['group'] });
    const second = await create({ tags: ['GROUP'] });
    const { actions } = await atoll.api.expect(201, 'POST', '/v2/droplets/actions?tag_name=group', {
      type: 'power_off',
    });
    expect(actions).toHaveLength(2);
    for (const { id } of actions) await ended(id);
    expect([(await get(first.id)).status, (await get(second.id)).status]).toEqual(['off', 'off']);
    await act(first.id, { type: 'power_on' });
    const refused = await atoll.api.expect(422, 'POST', '/v2/droplets/actions?tag_name=group', {
      type: 'power_off',
    });
    expect(refused.message).toBe('Droplet is already powered off');
    expect((await get(first.id)).status).toBe('active');
  });

  it('says plainly what is no action', async () => {
    const { id } = await create();
    await atoll.api.expect(422, 'POST', `/v2/droplets/${id}/actions`, { type: 'explode' });
    await atoll.api.expect(422, 'POST', `/v2/droplets/${id}/actions`, { type: 'constructor' });
    await atoll.api.expect(404, 'POST', '/v2/droplets/1/actions', { type: 'reboot' });
  });
});

describe('deleting droplets', () => {
  it('hides a droplet at once and clears the engine after', async () => {
    const { id } = await create({ tags: ['doomed'] });
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await atoll.api.expect(404, 'GET', `/v2/droplets/${id}`);
    await atoll.api.expect(404, 'DELETE', `/v2/droplets/${id}`);
    await until(async () => (await atoll.compute.get(`droplet-${id}`)) === undefined);
    await until(async () => (await atoll.host.published(id)) === undefined);
    const { actions } = await atoll.api.expect(200, 'GET', '/v2/actions');
    const destroy = actions.find(
      (each: { resource_id: number; type: string }) => each.resource_id === id && each.type === 'destroy',
    );
    expect((await ended(destroy.id)).status).toBe('completed');
  });

  it('deletes a droplet whose create is still under way, and ends its action', async () => {
    const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', order);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
    expect(['errored', 'completed']).toContain((await ended(links.actions[0].id)).status);
    await until(async () => (await atoll.compute.get(`droplet-${droplet.id}`)) === undefined);
  });

  it('deletes by tag', async () => {
    const kept = await create({ tags: ['keep'] });
    await create({ tags: ['drop'] });
    await create({ tags: ['drop', 'keep'] });
    await atoll.api.expect(204, 'DELETE', '/v2/droplets?tag_name=drop');
    const { droplets } = await atoll.api.expect(200, 'GET', '/v2/droplets?tag_name=keep');
    expect(droplets.map(({ id }: { id: number }) => id)).toEqual([kept.id]);
    await atoll.api.expect(422, 'DELETE', '/v2/droplets');
  });

  it('deletes many by tag in batches, so that nobody waits for all of them', async () => {
    const { api } = await atoll.newTeam();
    const { store } = atoll.database;
    const ids: number[] = [];
    for (let n = 0; n < 11; n++) {
      const names = Array.from({ length: 10 }, (_, index) => `many-${n}-${index}`);
      const body = { ...order, name: undefined, names, tags: ['many'] };
      const { droplets } = await api.expect(202, 'POST', '/v2/droplets', body);
      ids.push(...droplets.map(({ id }: { id: number }) => id));
    }
    const deleted = async () => {
      const rows = await store.db
        .selectFrom('droplets')
        .select('deleted_at')
        .where(anyOf('id', ids))
        .execute();
      return rows.filter(({ deleted_at }) => deleted_at).length;
    };
    let answered: Promise<unknown> | undefined;
    // Somebody works on the last one of them.
    await store.transaction(async (tx) => {
      await tx
        .selectFrom('droplets')
        .select('id')
        .where('id', '=', Math.max(...ids))
        .forUpdate()
        .execute();
      answered = api.expect(204, 'DELETE', '/v2/droplets?tag_name=many');
      await until(async () => (await deleted()) === 100);
    });
    await answered;
    expect(await deleted()).toBe(110);
  });
});

describe('listing droplets', () => {
  it('pages, filters and counts', async () => {
    const { api } = await atoll.newTeam();
    const names = Array.from({ length: 7 }, (_, n) => `l-${n}`);
    await api.expect(202, 'POST', '/v2/droplets', { ...order, name: undefined, names, tags: ['x'] });
    const first = await api.expect(200, 'GET', '/v2/droplets?per_page=3&tag_name=x');
    expect(first.droplets.map(({ name }: { name: string }) => name)).toEqual(['l-0', 'l-1', 'l-2']);
    expect(first.meta.total).toBe(7);
    expect(first.links.pages.next).toMatch(/[?&]tag_name=x/);
    expect(first.links.pages.last).toMatch(/page=3/);
    expect(first.links.pages.prev).toBeUndefined();
    const last = await api.expect(200, 'GET', '/v2/droplets?per_page=3&page=3');
    expect(last.droplets).toHaveLength(1);
    expect(last.links.pages.next).toBeUndefined();
    expect((await api.expect(200, 'GET', '/v2/droplets?page=99')).droplets).toEqual([]);
    expect((await api.expect(200, 'GET', '/v2/droplets?name=l-4')).meta.total).toBe(1);
    expect((await api.expect(200, 'GET', '/v2/droplets?type=gpus')).droplets).toEqual([]);
    expect((await api.expect(200, 'GET', '/v2/droplets')).links).toEqual({});
    await api.expect(422, 'GET', '/v2/droplets?name=a&tag_name=b');
    const { id } = first.droplets[0];
    expect((await api.expect(200, 'GET', `/v2/droplets/${id}/neighbors`)).droplets).toHaveLength(6);
  });

  it("shows nothing of another team's", async () => {
    const { id } = await create();
    const { api } = await atoll.newTeam();
    expect((await api.expect(200, 'GET', '/v2/droplets')).meta.total).toBe(0);
    await api.expect(404, 'GET', `/v2/droplets/${id}`);
    await api.expect(404, 'DELETE', `/v2/droplets/${id}`);
    await api.expect(404, 'POST', `/v2/droplets/${id}/actions`, { type: 'reboot' });
    await api.expect(404, 'GET', `/v2/droplets/${id}/actions`);
    await api.expect(404, 'GET', `/v2/droplets/${id}/neighbors`);
    await api.expect(204, 'DELETE', '/v2/droplets?tag_name=web');
  });
});
