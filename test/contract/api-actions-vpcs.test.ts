/** Actions by id and in lists, and the VPCs that droplets bring with them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

type Api = TestAtoll['api'];
const order = { name: 'web', region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64' };
const create = (api: Api, extra: object = {}) =>
  api.expect(202, 'POST', '/v2/droplets', { ...order, ...extra });

describe('actions', () => {
  it('are listed newest first, in pages, of the own team only', async () => {
    const { api } = await atoll.newTeam();
    const { links } = await create(api, { name: undefined, names: ['a', 'b', 'c'] });
    const ids = links.actions.map(({ id }: { id: number }) => id).reverse();
    const { actions, meta, links: pages } = await api.expect(200, 'GET', '/v2/actions?per_page=2');
    expect(actions.map(({ id }: { id: number }) => id)).toEqual(ids.slice(0, 2));
    expect(meta.total).toBe(3);
    expect(pages.pages.next).toBe('http://localhost:80/v2/actions?per_page=2&page=2');
    const other = await atoll.newTeam();
    expect((await other.api.expect(200, 'GET', '/v2/actions')).meta.total).toBe(0);
    for (const id of ids) await other.api.expect(404, 'GET', `/v2/actions/${id}`);
  });

  it('are the same action by both of their paths, also after their droplet', async () => {
    const { api } = await atoll.newTeam();
    const { droplet, links } = await create(api);
    const [{ id }] = links.actions;
    const both = () =>
      Promise.all(
        [`/v2/actions/${id}`, `/v2/droplets/${droplet.id}/actions/${id}`].map(
          async (path) => (await api.expect(200, 'GET', path)).action,
        ),
      );
    await until(async () => (await both()).every(({ status }) => status === 'completed'));
    const [one, other] = await both();
    expect(one).toEqual(other);
    expect(one).toMatchObject({
      type: 'create',
      resource_id: droplet.id,
      resource_type: 'droplet',
      region_slug: 'nyc3',
      region: { slug: 'nyc3' },
    });
    expect(Date.parse(one.completed_at)).toBeGreaterThanOrEqual(Date.parse(one.started_at));
    await api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
    expect((await both())[0]).toEqual(one);
    await api.expect(404, 'GET', `/v2/droplets/${droplet.id + 1}/actions/${id}`);
    await api.expect(404, 'GET', `/v2/droplets/${droplet.id}/actions/${id + 1000}`);
  });

  it('that are none are not found', async () => {
    for (const id of ['1', '0', '-1', 'abc', '1.5', '9007199254740991', '9'.repeat(40)]) {
      await atoll.api.expect(404, 'GET', `/v2/actions/${id}`);
    }
  });
});

describe('the VPCs', () => {
  it('are one by default in each region with a droplet, and its droplets are in it', async () => {
    const { api } = await atoll.newTeam();
    expect((await api.expect(200, 'GET', '/v2/vpcs')).meta.total).toBe(0);
    const answers = await Promise.all([create(api), create(api), create(api, { region: 'fra1' })]);
    const { vpcs, meta } = await api.expect(200, 'GET', '/v2/vpcs');
    expect(meta.total).toBe(2);
    expect(vpcs.map(({ name }: { name: string }) => name).sort()).toEqual(['default-fra1', 'default-nyc3']);
    const nyc3 = vpcs.find(({ region }: { region: string }) => region === 'nyc3');
    expect(nyc3).toMatchObject({
      urn: `do:vpc:${nyc3.id}`,
      default: true,
      ip_range: expect.stringMatching(/^10\.\d+\.\d+\.0\/20$/),
    });
    expect(answers.slice(0, 2).map(({ droplet }) => droplet.vpc_uuid)).toEqual([nyc3.id, nyc3.id]);
    expect((await api.expect(200, 'GET', `/v2/vpcs/${nyc3.id}`)).vpc).toEqual(nyc3);
    expect((await api.expect(200, 'GET', '/v2/vpcs?per_page=1&page=2')).vpcs).toEqual([vpcs[1]]);
    expect((await create(api, { vpc_uuid: nyc3.id })).droplet.vpc_uuid).toBe(nyc3.id);
    const refused = await api.expect(422, 'POST', '/v2/droplets', {
      ...order,
      region: 'ams3',
      vpc_uuid: nyc3.id,
    });
    expect(refused.message).toMatch(/^vpc_uuid names a VPC in nyc3/);
  });

  it('of another team are not there, and cannot be ordered into', async () => {
    const { droplet } = await create(atoll.api);
    const { api } = await atoll.newTeam();
    await api.expect(404, 'GET', `/v2/vpcs/${droplet.vpc_uuid}`);
    const refused = await api.expect(422, 'POST', '/v2/droplets', { ...order, vpc_uuid: droplet.vpc_uuid });
    expect(refused.message).toMatch(/^vpc_uuid is not one of your VPCs/);
    expect((await api.expect(200, 'GET', '/v2/vpcs')).meta.total).toBe(0);
    for (const id of ['1', 'abc', '%27', `${droplet.vpc_uuid}0`, '00000000-0000-0000-0000-000000000000']) {
      await api.expect(404, 'GET', `/v2/vpcs/${id}`);
    }
  });
});

it('a droplet is made where the team calls a VPC of its own as the default one would be called', async () => {
  const { api, teamId } = await atoll.newTeam();
  const own = { team_id: teamId, region: 'ams3', is_default: false, created_at: new Date() };
  await atoll.database.store.db
    .insertInto('vpcs')
    .values(
      ['default-nyc3', 'default-nyc3-2', 'default-fra1'].map((name, n) => ({
        ...own,
        name,
        ip_range: `10.20.${n}.0/24`,
      })),
    )
    .execute();
  const { droplet } = await api.expect(202, 'POST', '/v2/droplets', order);
  const { vpc } = await api.expect(200, 'GET', `/v2/vpcs/${droplet.vpc_uuid}`);
  expect(vpc).toMatchObject({ name: 'default-nyc3-3', region: 'nyc3', default: true });
  const again = await api.expect(202, 'POST', '/v2/droplets', order);
  expect(again.droplet.vpc_uuid).toBe(droplet.vpc_uuid);
});
