/** Requests just as DigitalOcean's clients send them, where those differ from what is published. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const json = { 'content-type': 'application/json', accept: 'application/json' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

/** What godo makes of a DropletCreateRequest with the four fields that are needed. */
const godoOrder = {
  name: 'godo',
  region: 'nyc3',
  size: 's-1vcpu-1gb',
  image: 'debian-12-x64',
  ssh_keys: null,
  backups: false,
  ipv6: false,
  private_networking: false,
  monitoring: false,
  tags: null,
};
const created = async (api = atoll.api) => (await api.expect(202, 'POST', '/v2/droplets', godoOrder)).droplet;
const settled = (id: number) =>
  until(async () => !(await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet.locked);

describe('godo, and with it doctl and terraform', () => {
  it('sends an empty body with a JSON content type on DELETE', async () => {
    const { id } = await created();
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`, '', json);
    await atoll.api.expect(201, 'POST', '/v2/tags', { name: 'empty' });
    await atoll.api.expect(204, 'DELETE', '/v2/tags/empty', '', json);
    const { ssh_key } = await atoll.api.expect(201, 'POST', '/v2/account/keys', {
      name: 'k',
      public_key: publicKey(),
    });
    await atoll.api.expect(204, 'DELETE', `/v2/account/keys/${ssh_key.id}`, '', json);
    await atoll.api.expect(204, 'DELETE', '/v2/droplets?tag_name=none', '', json);
  });

  it('leaves the rest of an order null, false, empty, or in fields that are not published', async () => {
    const { droplet } = await atoll.api.expect(202, 'POST', '/v2/droplets', {
      ...godoOrder,
      image: 168639140,
      volumes: [],
      user_data: '',
      vpc_uuid: '',
      with_droplet_agent: null,
      subnet_uuid: '',
      gpu_partition_mode: '',
      backup_policy: null,
    });
    expect(droplet.image.slug).toBe('debian-12-x64');
    expect(droplet.features).toEqual(['private_networking']);
  });

  it('waits for the action that the create links to, by the path of its link', async () => {
    const { links } = await atoll.api.expect(202, 'POST', '/v2/droplets', godoOrder);
    const [{ href, rel }] = links.actions;
    expect(rel).toBe('create');
    const path = new URL(href).pathname;
    await until(async () => (await atoll.api.expect(200, 'GET', path)).action.status === 'completed');
  });

  it('asks for 200 a page and reads the number of pages out of a link', async () => {
    const { links } = await atoll.api.expect(200, 'GET', '/v2/sizes?page=1&per_page=50');
    expect(new URL(links.pages.last).searchParams.get('page')).toMatch(/^\d+$/);
    expect((await atoll.api.expect(200, 'GET', '/v2/sizes?page=1&per_page=200')).links).toEqual({});
  });

  it('names a droplet’s action by type, with fields that the type does not need', async () => {
    const { id } = await created();
    await settled(id);
    const path = `/v2/droplets/${id}/actions`;
    const rename = await atoll.api.expect(201, 'POST', path, { type: 'rename', name: 'other' });
    expect(rename.action).toMatchObject({ type: 'rename', resource_id: id, completed_at: null });
    await settled(id);
    await atoll.api.expect(201, 'POST', path, { type: 'power_cycle', name: '', size: '', image: 0 });
    // At once, though an event is pending: terraform would come again for minutes.
    const refused = await atoll.api.expect(422, 'POST', path, { type: 'no_such_action' });
    expect(refused.message).toContain('no_such_action');
    await settled(id);
    await atoll.api.expect(201, 'POST', path, { type: 'enable_private_networking' });
  });

  it('tags with ids as text, and takes a tag off by DELETE with a body', async () => {
    const { id } = await created();
    await atoll.api.expect(201, 'POST', '/v2/tags', { name: 'godo' });
    const body = { resources: [{ resource_id: String(id), resource_type: 'droplet' }] };
    await atoll.api.expect(204, 'POST', '/v2/tags/godo/resources', body, json);
    await atoll.api.expect(204, 'DELETE', '/v2/tags/godo/resources', body, json);
    expect((await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet.tags).toEqual([]);
  });

  it('reads a missing object by its 404, whatever was asked for', async () => {
    for (const path of ['/v2/droplets/1', '/v2/droplets/x', '/v2/images/x', '/v2/vpcs/x', '/v2/tags/x']) {
      const { message } = await atoll.api.expect(404, 'GET', path);
      expect(message).toBe('The resource you requested could not be found.');
    }
  });
});

describe('ansible', () => {
  it('sends the body null with a content type on every request', async () => {
    const { id } = await created();
    await atoll.api.expect(200, 'GET', '/v2/account', 'null', json);
    await atoll.api.expect(200, 'GET', '/v2/droplets?per_page=40', 'null', json);
    await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`, 'null', json);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`, 'null', json);
    const refused = await atoll.api.expect(422, 'POST', '/v2/tags', 'null', json);
    expect(refused.message).toBe('name is required.');
  });

  it('asks for the firewalls before it does anything with a droplet', async () => {
    const answer = await atoll.api.expect(200, 'GET', '/v2/firewalls?page=1&per_page=40', 'null', json);
    expect(answer).toEqual({ firewalls: [], links: {}, meta: { total: 0 } });
  });

  it('finds a droplet by its name in the list', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await created(api);
    const { droplets } = await api.expect(200, 'GET', '/v2/droplets?per_page=40&name=godo');
    expect(droplets.map((each: { id: number }) => each.id)).toEqual([id]);
  });
});

describe('curl', () => {
  it('calls JSON a form', async () => {
    const { tag } = await atoll.api.expect(201, 'POST', '/v2/tags', '{"name":"curl"}', form);
    expect(tag.name).toBe('curl');
  });

  it('may end a path in a slash, and ask for the head of an answer', async () => {
    await atoll.api.expect(200, 'GET', '/v2/droplets/');
    const { headers, body } = await atoll.api.call('HEAD', '/v2/droplets');
    expect(body).toBeUndefined();
    expect(headers['content-type']).toMatch(/^application\/json/);
  });
});
