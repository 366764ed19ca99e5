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
    for (const path of ['/v2/images/x', '/v2/vpcs/x', '/v2/tags/x', '/v2/volumes/x', '/v2/actions/1']) {
      const { message } = await atoll.api.expect(404, 'GET', path);
      expect(message).toBe('The resource you requested could not be found.');
    }
    // Droplets have words of their own.
    const foreign = (await created((await atoll.newTeam()).api)).id;
    for (const id of [1, 'x', '%zz', foreign]) {
      for (const [method, rest] of [
        ['GET', ''],
        ['GET', '/actions'],
        ['GET', '/actions/1'],
        ['GET', '/snapshots'],
        ['GET', '/backups/policy'],
        ['GET', '/destroy_with_associated_resources'],
        ['DELETE', ''],
      ] as const) {
        const { message } = await atoll.api.expect(404, method, `/v2/droplets/${id}${rest}`);
        expect(message).toBe('The resource you were accessing could not be found.');
      }
      const reboot = await atoll.api.expect(404, 'POST', `/v2/droplets/${id}/actions`, { type: 'reboot' });
      expect(reboot.message).toBe('The resource you were accessing could not be found.');
    }
    const pool = await atoll.api.expect(404, 'GET', '/v2/droplets/autoscale/x');
    expect(pool.message).toBe('autoscale group with id x not found');
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

describe('numbers and booleans that come as text', () => {
  const reserve = async (body: object, path = '/v2/reserved_ips') =>
    atoll.api.expect(202, 'POST', path, body);

  it.each(['reserved_ip', 'floating_ip'])(
    'name the droplet of a %s, as failover scripts send them',
    async (variant) => {
      const path = `/v2/${variant}s`;
      const { id } = await created();
      await settled(id);
      const answer = await reserve({ droplet_id: String(id) }, path);
      expect(answer.links.droplets[0].id).toBe(id);
      const ip = `${path}/${answer[variant].ip}`;
      await until(async () => !(await atoll.api.expect(200, 'GET', ip))[variant].locked);
      const other = await created();
      await settled(other.id);
      const assign = { type: 'assign', droplet_id: `${other.id}` };
      await atoll.api.expect(201, 'POST', `${ip}/actions`, assign);
      await until(async () => (await atoll.api.expect(200, 'GET', ip))[variant].droplet?.id === other.id);
    },
  );

  it('name the size and the droplet of a volume, as Ansible sends them', async () => {
    const order = { name: 'texts', region: 'nyc3', size_gigabytes: '10' };
    const { volume } = await atoll.api.expect(201, 'POST', '/v2/volumes', order);
    expect(volume.size_gigabytes).toBe(10);
    const { id } = await created();
    await settled(id);
    const act = async (path: string, body: object) => {
      const { action } = await atoll.api.expect(202, 'POST', path, body);
      await until(
        async () =>
          (await atoll.api.expect(200, 'GET', `/v2/actions/${action.id}`)).action.status !== 'in-progress',
      );
      return (await atoll.api.expect(200, 'GET', `/v2/volumes/${volume.id}`)).volume;
    };
    const byId = `/v2/volumes/${volume.id}/actions`;
    const byName = { volume_name: 'texts', region: 'nyc3', droplet_id: `${id}` };
    expect(await act(byId, { type: 'attach', droplet_id: `${id}` })).toMatchObject({ droplet_ids: [id] });
    expect(await act('/v2/volumes/actions', { ...byName, type: 'detach' })).toMatchObject({
      droplet_ids: [],
    });
    expect(await act(byId, { type: 'resize', size_gigabytes: '20' })).toMatchObject({ size_gigabytes: 20 });
  });

  it('order a droplet and act on it', async () => {
    const { ssh_key } = await atoll.api.expect(201, 'POST', '/v2/account/keys', {
      name: 'texts',
      public_key: publicKey(),
    });
    const { droplet } = await atoll.api.expect(202, 'POST', '/v2/droplets', {
      ...godoOrder,
      name: '2024',
      image: '168639140',
      ssh_keys: [String(ssh_key.id)],
      ipv6: 'true',
      monitoring: 'False',
      backups: 'True',
      backup_policy: { plan: 'weekly', weekday: 'SUN', hour: '4' },
      user_data: '1',
      tags: ['7'],
    });
    expect(droplet).toMatchObject({ name: '2024', image: { slug: 'debian-12-x64' }, tags: ['7'] });
    expect(droplet.features).toEqual(expect.arrayContaining(['ipv6', 'backups']));
    expect(droplet.features).not.toContain('monitoring');
    const { policy } = await atoll.api.expect(200, 'GET', `/v2/droplets/${droplet.id}/backups/policy`);
    expect(policy.backup_policy.hour).toBe(4);
    await settled(droplet.id);
    const path = `/v2/droplets/${droplet.id}/actions`;
    await atoll.api.expect(201, 'POST', path, { type: 'rebuild', image: '199888143' });
    await settled(droplet.id);
    await atoll.api.expect(201, 'POST', path, { type: 'power_off' });
    await settled(droplet.id);
    const resize = { type: 'resize', size: 's-2vcpu-4gb', disk: 'true' };
    await atoll.api.expect(201, 'POST', path, resize);
    await settled(droplet.id);
    expect((await atoll.api.expect(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet.disk).toBe(80);
  });

  it('say how large a pool is to be', async () => {
    const { ssh_key } = await atoll.api.expect(201, 'POST', '/v2/account/keys', {
      name: 'pool',
      public_key: publicKey(),
    });
    const { name: _, ...template } = godoOrder;
    const { autoscale_pool } = await atoll.api.expect(202, 'POST', '/v2/droplets/autoscale', {
      name: 'texts',
      config: { min_instances: '1', max_instances: '2', target_cpu_utilization: '0.5' },
      droplet_template: { ...template, ssh_keys: [String(ssh_key.id)], ipv6: 'true' },
    });
    expect(autoscale_pool.config).toMatchObject({ min_instances: 1, target_cpu_utilization: 0.5 });
    expect(autoscale_pool.droplet_template.ipv6).toBe(true);
    const path = `/v2/droplets/autoscale/${autoscale_pool.id}/dangerous`;
    await atoll.api.expect(202, 'DELETE', path, undefined, { 'x-dangerous': 'true' });
  });

  it('are refused where they are none', async () => {
    for (const droplet_id of ['web', '1.5', '0x10', '1e3', ' 1', '9'.repeat(30)]) {
      const { message } = await atoll.api.expect(422, 'POST', '/v2/reserved_ips', { droplet_id });
      expect([droplet_id, message]).toEqual([droplet_id, expect.stringMatching(/^droplet_id must be /)]);
    }
    const order = { ...godoOrder, ipv6: 'yes' };
    const { message } = await atoll.api.expect(422, 'POST', '/v2/droplets', order);
    expect(message).toBe('ipv6 must be true or false.');
    // A number is no text: what is to be called by it must be given as text.
    const numbered = await atoll.api.expect(422, 'POST', '/v2/droplets', { ...godoOrder, name: 2024 });
    expect(numbered.message).toBe('name must be a string.');
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
