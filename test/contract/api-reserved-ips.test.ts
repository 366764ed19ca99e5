/** Reserved IPs, their older name floating IPs, and reserved IPv6. */
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

type Api = TestAtoll['api'];

/** The three names, and what differs between them. */
const variants = {
  reserved_ip: { path: '/v2/reserved_ips', status: 202, body: { region: 'nyc3' }, family: 'ipv4' },
  floating_ip: { path: '/v2/floating_ips', status: 202, body: { region: 'nyc3' }, family: 'ipv4' },
  reserved_ipv6: { path: '/v2/reserved_ipv6', status: 201, body: { region_slug: 'nyc3' }, family: 'ipv6' },
} as const;
type Variant = keyof typeof variants;
const all = Object.keys(variants) as Variant[];

const reserve = async (api: Api, variant: Variant = 'reserved_ip', body: object = variants[variant].body) =>
  (await api.expect(variants[variant].status, 'POST', variants[variant].path, body))[variant];
const get = async (api: Api, ip: string, variant: Variant = 'reserved_ip') =>
  (await api.expect(200, 'GET', `${variants[variant].path}/${ip}`))[variant];
const act = async (api: Api, ip: string, body: object, variant: Variant = 'reserved_ip') => {
  const { action } = await api.expect(201, 'POST', `${variants[variant].path}/${ip}/actions`, body);
  return ended(api, action.id);
};
const refused = async (api: Api, ip: string, body: object, variant: Variant = 'reserved_ip') =>
  (await api.expect(422, 'POST', `${variants[variant].path}/${ip}/actions`, body)).message as string;
const droplet = (api: Api, extra: object = {}) => createDroplet(api, { ipv6: true, ...extra });
const addressOf = (seen: Awaited<ReturnType<typeof getDroplet>>, family: 'ipv4' | 'ipv6'): string =>
  (family === 'ipv4' ? seen.networks.v4 : seen.networks.v6).find(
    ({ type }: { type: string }) => type === 'public',
  ).ip_address;
const inForce = async (ip: string) => (await atoll.host.addresses()).find((each) => each.ip === ip);

describe.each(all)('a %s', (variant) => {
  const { path, family } = variants[variant];

  it('is reserved to a region, and in force, leading nowhere', async () => {
    const { api } = await atoll.newTeam();
    const made = await reserve(api, variant);
    expect(made.droplet).toBeNull();
    expect(made.region?.slug ?? made.region_slug).toBe('nyc3');
    expect(await get(api, made.ip, variant)).toEqual(made);
    await until(async () => (await inForce(made.ip)) !== undefined);
    expect(await inForce(made.ip)).toEqual({ ip: made.ip });
  });

  it('is assigned, moved at once to another droplet, and unassigned', async () => {
    const { api } = await atoll.newTeam();
    const [a, b] = await Promise.all([droplet(api), droplet(api)]);
    const { ip } = await reserve(api, variant);
    const assigned = await act(api, ip, { type: 'assign', droplet_id: a.id }, variant);
    expect(assigned).toMatchObject({ status: 'completed', type: 'assign_ip', resource_type: variant });
    expect((await get(api, ip, variant)).droplet).toEqual(await getDroplet(api, a.id));
    expect(await inForce(ip)).toEqual({ ip, target: addressOf(a, family) });

    await act(api, ip, { type: 'assign', droplet_id: b.id }, variant);
    expect((await get(api, ip, variant)).droplet.id).toBe(b.id);
    expect(await inForce(ip)).toEqual({ ip, target: addressOf(b, family) });

    const unassigned = await act(api, ip, { type: 'unassign' }, variant);
    expect(unassigned).toMatchObject({ status: 'completed', type: 'unassign_ip' });
    expect((await get(api, ip, variant)).droplet).toBeNull();
    expect(await inForce(ip)).toEqual({ ip });
    expect(await refused(api, ip, { type: 'unassign' }, variant)).toMatch(/is not assigned/);
  });

  it('is released, an IPv4 address also while it is assigned', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const { ip } = await reserve(api, variant);
    await act(api, ip, { type: 'assign', droplet_id: id }, variant);
    if (family === 'ipv6') {
      const { message } = await api.expect(422, 'DELETE', `${path}/${ip}`);
      expect(message).toMatch(/^flipv6 released failed: assigned FLIP cannot be released\. Unassign/);
      expect(await get(api, ip, variant)).toMatchObject({ droplet: { id } });
      await act(api, ip, { type: 'unassign' }, variant);
    }
    await api.expect(204, 'DELETE', `${path}/${ip}`);
    await api.expect(404, 'GET', `${path}/${ip}`);
    await api.expect(404, 'DELETE', `${path}/${ip}`);
    await until(async () => (await inForce(ip)) === undefined);
    expect((await reserve(api, variant)).ip).not.toBe(ip);
  });

  it('is listed in pages, oldest first', async () => {
    const { api } = await atoll.newTeam();
    const made = [await reserve(api, variant), await reserve(api, variant), await reserve(api, variant)];
    const page = await api.expect(200, 'GET', `${path}?per_page=2&page=2`);
    expect(page.meta.total).toBe(3);
    expect(page[`${variant}s`]).toEqual([made[2]]);
    expect(page.links.pages.prev).toBe(`http://localhost:80${path}?per_page=2&page=1`);
  });

  it('of another team is not there', async () => {
    const { ip } = await reserve(atoll.api, variant);
    const { api } = await atoll.newTeam();
    expect((await api.expect(200, 'GET', path)).meta.total).toBe(0);
    await api.expect(404, 'GET', `${path}/${ip}`);
    await api.expect(404, 'DELETE', `${path}/${ip}`);
    await api.expect(404, 'POST', `${path}/${ip}/actions`, { type: 'unassign' });
    const foreign = await droplet(atoll.api);
    const own = await reserve(api, variant);
    const message = await refused(api, own.ip, { type: 'assign', droplet_id: foreign.id }, variant);
    expect(message).toMatch(/^droplet_id '\d+' is not one of your Droplets/);
  });

  it('is refused beyond the account’s limit, also to many at once', async () => {
    const { api, teamId } = await atoll.newTeam();
    const { db } = atoll.database.store;
    await db.updateTable('teams').set({ reserved_ip_limit: 2 }).where('id', '=', teamId).execute();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => api.call('POST', path, variants[variant].body)),
    );
    const refusals = answers.filter(({ status }) => status === 422);
    expect(refusals).toHaveLength(3);
    expect(refusals[0]?.body.message).toMatch(/will exceed your .* limit/);
    expect((await api.expect(200, 'GET', path)).meta.total).toBe(2);
  });

  it('needs its scopes, and shows droplets only to those who may see them', async () => {
    const { ip } = await reserve(atoll.api, variant);
    const { id } = await droplet(atoll.api);
    await act(atoll.api, ip, { type: 'assign', droplet_id: id }, variant);
    const reader = await atoll.clientWith(['reserved_ip:read']);
    expect((await get(reader, ip, variant)).droplet).toBeNull();
    await reader.expect(403, 'POST', path, variants[variant].body);
    await reader.expect(403, 'DELETE', `${path}/${ip}`);
    const both = await atoll.clientWith(['reserved_ip:read', 'droplet:read']);
    expect((await get(both, ip, variant)).droplet.id).toBe(id);
  });

  it.each(['1', 'abc', '%27', '203.0.113', '::g', 'fe80::1%25eth0', '192.0.2.1', '2001:db8::1'])(
    'is not there by %s',
    async (text) => {
      await atoll.api.expect(404, 'GET', `${path}/${text}`);
      await atoll.api.expect(404, 'DELETE', `${path}/${text}`);
      await atoll.api.expect(404, 'POST', `${path}/${text}/actions`, { type: 'unassign' });
    },
  );
});

describe('a reserved IP', () => {
  it.each(['reserved_ip', 'floating_ip'] as const)('as %s is reserved to a droplet', async (variant) => {
    const { api } = await atoll.newTeam();
    const seen = await droplet(api);
    // Both are sent by some clients: the droplet counts.
    const answer = await api.expect(202, 'POST', variants[variant].path, {
      droplet_id: seen.id,
      region: 'ams3',
    });
    expect(answer[variant]).toMatchObject({ droplet: null, locked: true, region: { slug: 'nyc3' } });
    const [action] = answer.links.actions;
    expect(answer.links).toEqual({
      droplets: [{ id: seen.id, rel: 'droplet', href: `http://localhost:80/v2/droplets/${seen.id}` }],
      actions: [{ id: action.id, rel: 'assign_ip', href: `http://localhost:80/v2/actions/${action.id}` }],
    });
    expect((await ended(api, action.id)).status).toBe('completed');
    const { ip, locked, ...rest } = await get(api, answer[variant].ip, variant);
    expect([locked, rest.droplet.id]).toEqual([false, seen.id]);
    expect(await inForce(ip)).toEqual({ ip, target: addressOf(seen, 'ipv4') });
  });

  it('is the same by both of its names', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const { ip } = await reserve(api);
    await act(api, ip, { type: 'assign', droplet_id: id });
    await act(api, ip, { type: 'unassign' }, 'floating_ip');
    expect(await get(api, ip, 'floating_ip')).toEqual(await get(api, ip));
    for (const variant of ['reserved_ip', 'floating_ip'] as const) {
      const { actions, meta } = await api.expect(200, 'GET', `${variants[variant].path}/${ip}/actions`);
      expect(meta.total).toBe(2);
      expect(actions.map((action: { type: string }) => action.type)).toEqual(['unassign_ip', 'assign_ip']);
      expect(actions[0]).toMatchObject({ resource_type: variant, resource_id: expect.any(Number) });
      const one = `${variants[variant].path}/${ip}/actions/${actions[1].id}`;
      expect((await api.expect(200, 'GET', one)).action).toEqual(actions[1]);
      await api.expect(404, 'GET', `${variants[variant].path}/${ip}/actions/1`);
    }
  });

  it('and its actions are not those of another', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const [a, b] = [await reserve(api), await reserve(api)];
    const { id: action } = await act(api, a.ip, { type: 'assign', droplet_id: id });
    await api.expect(404, 'GET', `/v2/reserved_ips/${b.ip}/actions/${action}`);
    expect((await api.expect(200, 'GET', `/v2/reserved_ips/${b.ip}/actions`)).meta.total).toBe(0);
  });

  it('does not lead to a droplet elsewhere, nor to one that has another', async () => {
    const { api } = await atoll.newTeam();
    const [here, there] = await Promise.all([droplet(api), droplet(api, { region: 'fra1' })]);
    const [first, second] = [await reserve(api), await reserve(api)];
    expect(await refused(api, first.ip, { type: 'assign', droplet_id: there.id })).toMatch(
      /^droplet_id names a Droplet in fra1, but the reserved IP is in nyc3/,
    );
    await act(api, first.ip, { type: 'assign', droplet_id: here.id });
    expect(await refused(api, second.ip, { type: 'assign', droplet_id: here.id })).toMatch(
      `The Droplet already has a reserved IP, ${first.ip}.`,
    );
    // The same again changes nothing.
    expect((await act(api, first.ip, { type: 'assign', droplet_id: here.id })).status).toBe('completed');
    const v6 = await reserve(api, 'reserved_ipv6');
    const both = await act(api, v6.ip, { type: 'assign', droplet_id: here.id }, 'reserved_ipv6');
    expect(both.status).toBe('completed');
  });

  it('is unassigned, and kept, when its droplet is destroyed', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const { ip } = await reserve(api);
    await act(api, ip, { type: 'assign', droplet_id: id });
    await api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    expect(await get(api, ip)).toMatchObject({ droplet: null, locked: false });
    await until(async () => (await inForce(ip))?.target === undefined);
  });

  it('is told to the droplet by its metadata', async () => {
    const { api } = await atoll.newTeam();
    const [a, b] = await Promise.all([droplet(api), droplet(api)]);
    const { ip } = await reserve(api);
    const told = (id: number) => atoll.host.metadata(id)?.reserved_ip.ipv4;
    await act(api, ip, { type: 'assign', droplet_id: a.id });
    await until(() => told(a.id)?.ip_address === ip);
    await act(api, ip, { type: 'assign', droplet_id: b.id });
    await until(() => told(b.id)?.ip_address === ip && told(a.id)?.active === false);
    await api.expect(204, 'DELETE', `/v2/reserved_ips/${ip}`);
    await until(() => told(b.id)?.active === false);
  });

  it('of IPv6 is told to the droplet by its metadata', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const told = () => atoll.host.metadata(id)?.reserved_ip.ipv6;
    expect(told()).toEqual({ active: false });
    const { ip } = await reserve(api, 'reserved_ipv6');
    await act(api, ip, { type: 'assign', droplet_id: id }, 'reserved_ipv6');
    await until(() => told()?.active === true);
    expect(told()).toEqual({ active: true, ip_address: ip });
    expect(atoll.host.metadata(id)?.floating_ip).toEqual({ ipv4: { active: false } });
    await act(api, ip, { type: 'unassign' }, 'reserved_ipv6');
    await until(() => told()?.active === false);
  });

  it.each([
    ['without either', {}, /^region or droplet_id is needed/],
    ['with nothing in both, as some clients send it', { droplet_id: 0, region: '' }, /^region or droplet_id/],
    ['in no region', { region: 'mars1' }, /^region 'mars1' is not a region/],
    ['to no droplet', { droplet_id: 1 }, /^droplet_id '1' is not one of your Droplets/],
    ['to a droplet beyond 2^53', { droplet_id: 2 ** 60 }, /^droplet_id must be at most/],
    ['in no project', { region: 'nyc3', project_id: 'none' }, /^project_id is not one of your projects/],
  ])('cannot be reserved %s', async (_what, body, message) => {
    const answer = await atoll.api.expect(422, 'POST', '/v2/reserved_ips', body);
    expect(answer.message).toMatch(message);
  });

  it.each([
    ['no known action', { type: 'move' }, /^type 'move' is not an action here/],
    ['an assign to nobody', { type: 'assign' }, /^droplet_id is missing/],
    ['an assign to no droplet', { type: 'assign', droplet_id: 1 }, /^droplet_id '1' is not one/],
    ['no type', {}, /^type is required/],
  ])('is refused %s', async (_what, body, message) => {
    const { ip } = await reserve(atoll.api);
    expect(await refused(atoll.api, ip, body)).toMatch(message);
  });

  it('is one of the project that everything is in', async () => {
    const { api, teamId } = await atoll.newTeam();
    const { ip } = await reserve(api, 'reserved_ip', { region: 'nyc', project_id: teamId });
    expect(await get(api, ip)).toMatchObject({ project_id: teamId, region: { slug: 'nyc1' } });
  });
});

describe('a reserved IPv6', () => {
  it('needs a region, and a droplet that has IPv6', async () => {
    const { api } = await atoll.newTeam();
    const none = await api.expect(422, 'POST', '/v2/reserved_ipv6', { region_slug: '' });
    expect(none.message).toMatch(/^region_slug /);
    const { id } = await droplet(api, { ipv6: false });
    const { ip } = await reserve(api, 'reserved_ipv6');
    const message = await refused(api, ip, { type: 'assign', droplet_id: id }, 'reserved_ipv6');
    expect(message).toMatch(/^droplet_id names a Droplet without IPv6/);
  });

  it('is found however it is written', async () => {
    const { ip } = await reserve(atoll.api, 'reserved_ipv6');
    const long = ip.replace('::', ':0:0:0:0:0:').toUpperCase();
    expect((await get(atoll.api, long, 'reserved_ipv6')).ip).toBe(ip);
  });
});

describe('while the host is away', () => {
  it('what was accepted waits, a second event is refused, and a release is taken', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const [a, b] = [await reserve(api), await reserve(api, 'floating_ip')];
    await until(async () => Boolean((await inForce(a.ip)) && (await inForce(b.ip))));
    atoll.host.fail('publishAddress', new EngineError('unavailable', 'away'), 3);
    const { action } = await api.expect(201, 'POST', `/v2/reserved_ips/${a.ip}/actions`, {
      type: 'assign',
      droplet_id: id,
    });
    expect(await get(api, a.ip)).toMatchObject({ locked: true, droplet: null });
    const unassign = { type: 'unassign' };
    expect(await refused(api, a.ip, unassign)).toBe('The reserved IP already has a pending event.');
    expect(await refused(api, a.ip, unassign, 'floating_ip')).toBe(
      'The floating IP already has a pending event.',
    );
    await api.expect(204, 'DELETE', `/v2/reserved_ips/${a.ip}`);
    expect(await ended(api, action.id)).toMatchObject({ status: 'errored', message: /released/ });
    await until(async () => (await inForce(a.ip)) === undefined);
    await act(api, b.ip, { type: 'assign', droplet_id: id });
  });

  it('what the host refuses errs, and the address can be assigned again', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const { ip } = await reserve(api);
    await until(async () => (await inForce(ip)) !== undefined);
    atoll.host.fail('publishAddress', new EngineError('rejected', 'secret of the host'));
    const failed = await act(api, ip, { type: 'assign', droplet_id: id });
    expect(failed).toMatchObject({ status: 'errored', message: expect.stringContaining('unassigned') });
    expect(JSON.stringify(failed)).not.toContain('secret');
    expect(await get(api, ip)).toMatchObject({ locked: false, droplet: null });
    // The droplet shows the address no more, which is told, too.
    const { db } = atoll.database.store;
    const event = db.selectFrom('events').select(['change', 'action_id', 'version']).orderBy('xid', 'desc');
    const last = event.orderBy('id', 'desc').where('urn', '=', `do:droplet:${id}`);
    expect(await last.executeTakeFirst()).toMatchObject({ change: 'changed', action_id: failed.id });
    expect((await act(api, ip, { type: 'assign', droplet_id: id })).status).toBe('completed');
  });
});

describe('of two requests at once', () => {
  it('about one address, one is taken', async () => {
    const { api } = await atoll.newTeam();
    const [a, b] = await Promise.all([droplet(api), droplet(api)]);
    const { ip } = await reserve(api);
    const answers = await Promise.all(
      [a.id, b.id].map((id) =>
        api.call('POST', `/v2/reserved_ips/${ip}/actions`, { type: 'assign', droplet_id: id }),
      ),
    );
    for (const { status, body } of answers) if (status === 201) await ended(api, body.action.id);
    // Both can be done only one after the other; the address leads to one droplet in any case.
    const { droplet: target } = await get(api, ip);
    expect([a.id, b.id]).toContain(target.id);
    await until(async () => (await inForce(ip))?.target === addressOf(target, 'ipv4'));
  });

  it('for one droplet, one is taken', async () => {
    const { api } = await atoll.newTeam();
    const { id } = await droplet(api);
    const ips = [await reserve(api), await reserve(api), await reserve(api)].map(({ ip }) => ip);
    const answers = await Promise.all(
      ips.map((ip) => api.call('POST', `/v2/reserved_ips/${ip}/actions`, { type: 'assign', droplet_id: id })),
    );
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['201', '422', '422']);
  });
});

describe('the pool', () => {
  let small: TestAtoll;
  beforeAll(async () => {
    small = await startAtoll();
    const range = { pool: 'reserved', range: '203.0.113.0/29', next: 2 };
    await small.database.store.db.insertInto('address_pools').values(range).execute();
  });
  afterAll(() => small.close());

  it('gives each address once, says when it is dry, and gives again what was released', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => small.api.call('POST', '/v2/reserved_ips', { region: 'nyc3' })),
    );
    const made = answers
      .filter(({ status }) => status === 202)
      .map(({ body }) => String(body.reserved_ip.ip))
      .toSorted();
    expect(made).toEqual([2, 3, 4, 5, 6].map((n) => `203.0.113.${n}`));
    const refusals = answers.filter(({ status }) => status === 422).map(({ body }) => body.message);
    expect(new Set(refusals)).toEqual(
      new Set(['No reserved IP is free in 203.0.113.0/29. Release one that is no longer needed.']),
    );
    await small.api.expect(204, 'DELETE', '/v2/reserved_ips/203.0.113.4');
    await until(
      async () => (await small.api.call('POST', '/v2/reserved_ips', { region: 'nyc3' })).status === 202,
    );
    const { reserved_ips: held } = await small.api.expect(200, 'GET', '/v2/reserved_ips');
    expect(held.map(({ ip }: { ip: string }) => ip).sort()).toEqual(made);
    await until(async () => (await small.host.addresses()).length === 5);
  });
});
