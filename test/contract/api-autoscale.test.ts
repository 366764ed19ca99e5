/** Autoscale pools of droplets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DrivenClock, drivenClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { ended, getDroplet } from '../support/droplets.ts';
import { publicKey } from '../support/ssh-key.ts';
import { idle, minutes, pass as passOn, seldom } from '../support/time.ts';

let clock: DrivenClock;
let atoll: TestAtoll;
let key: string;
beforeEach(async () => {
  clock = drivenClock();
  atoll = await startAtoll({ clock, ...seldom });
  const { ssh_key } = await atoll.api.expect(201, 'POST', '/v2/account/keys', {
    name: 'pool',
    public_key: publicKey(),
  });
  key = ssh_key.fingerprint;
});
afterEach(() => atoll.close());

const root = '/v2/droplets/autoscale';
const settle = () => idle(atoll.database, clock);
const pass = (ms: number) => passOn(atoll.database, clock, ms);
const template = () => ({
  region: 'nyc3',
  size: 's-1vcpu-1gb',
  image: 'debian-12-x64',
  ssh_keys: [key],
  tags: ['pool'],
});
const fixed = (target_number_instances: number) => ({
  name: 'web',
  config: { target_number_instances },
  droplet_template: template(),
});
const dynamic = (extra: object = {}) => ({
  name: 'web',
  config: { min_instances: 2, max_instances: 5, target_cpu_utilization: 0.5, cooldown_minutes: 5, ...extra },
  droplet_template: template(),
});

async function create(body: object) {
  const { autoscale_pool } = await atoll.api.expect(202, 'POST', root, body);
  await settle();
  return autoscale_pool.id as string;
}
async function update(id: string, body: object) {
  const { autoscale_pool } = await atoll.api.expect(200, 'PUT', `${root}/${id}`, body);
  await settle();
  return autoscale_pool;
}
const get = async (id: string) => (await atoll.api.expect(200, 'GET', `${root}/${id}`)).autoscale_pool;

interface SeenMember {
  droplet_id: number;
  status: string;
  health_status: string;
  current_utilization: { cpu?: number; memory?: number };
}
const members = async (id: string): Promise<SeenMember[]> =>
  (await atoll.api.expect(200, 'GET', `${root}/${id}/members?per_page=200`)).droplets;
const ids = async (id: string) => (await members(id)).map(({ droplet_id }) => droplet_id);
/** `reason current>desired status`, newest first. */
const history = async (id: string): Promise<string[]> =>
  (await atoll.api.expect(200, 'GET', `${root}/${id}/history`)).history.map(
    (event: Record<string, string>) =>
      `${event.reason} ${event.current_instance_count}>${event.desired_instance_count} ${event.status}`,
  );
const droplets = async (): Promise<number[]> =>
  (await atoll.api.expect(200, 'GET', '/v2/droplets?per_page=200')).droplets.map(
    ({ id }: { id: number }) => id,
  );
async function limit(droplet_limit: number) {
  const { db } = atoll.database.store;
  await db.updateTable('teams').set({ droplet_limit }).where('id', '=', atoll.team.teamId).execute();
}
async function load(id: string, cpu: number, memory = 0.1) {
  for (const member of await ids(id)) atoll.world.load(`droplet-${member}`, { cpu, memory });
}

describe('a pool of fixed size', () => {
  it('makes its members from the template, and says how it went', async () => {
    const id = await create(fixed(3));
    const pool = await get(id);
    expect(pool).toMatchObject({ name: 'web', status: 'active', active_resources_count: 3 });
    expect(pool.config).toEqual({ target_number_instances: 3 });
    expect(pool.droplet_template).toMatchObject({ ...template(), public_networking: true, vpc_uuid: '' });
    const seen = await members(id);
    expect(seen.map(({ status, health_status }) => `${status} ${health_status}`)).toEqual(
      Array.from({ length: 3 }, () => 'active healthy'),
    );
    const droplet = await getDroplet(atoll.api, seen[0]?.droplet_id ?? 0);
    expect(droplet.tags).toEqual(['pool']);
    expect(droplet.name).toMatch(/^web-[0-9a-f]{8}$/);
    expect(await history(id)).toEqual(['CONFIGURATION_CHANGE 0>3 success']);
  });

  it('grows and shrinks as it is told, the oldest going first, after a shutdown', async () => {
    const id = await create(fixed(2));
    const before = await ids(id);
    await update(id, fixed(12));
    expect(await ids(id)).toHaveLength(12);
    await update(id, fixed(11));
    expect(await ids(id)).toHaveLength(11);
    expect(await ids(id)).not.toContain(before[0]);
    const { actions } = await atoll.api.expect(200, 'GET', '/v2/actions?per_page=3');
    expect(
      actions.map(({ type, status }: Record<string, string>) => `${type} ${status}`).slice(0, 2),
    ).toEqual(['destroy completed', 'shutdown completed']);
    await update(id, fixed(1));
    expect(await ids(id)).toHaveLength(1);
    expect(atoll.world.machines.size).toBe(1);
    expect(await history(id)).toEqual([
      'CONFIGURATION_CHANGE 11>1 success',
      'CONFIGURATION_CHANGE 12>11 success',
      'CONFIGURATION_CHANGE 2>12 success',
      'CONFIGURATION_CHANGE 0>2 success',
    ]);
  });

  it('replaces a member that somebody deleted', async () => {
    const id = await create(fixed(2));
    const [gone, kept] = await ids(id);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${gone}`);
    await settle();
    expect(await ids(id)).toHaveLength(2);
    expect(await ids(id)).toContain(kept);
    expect(await ids(id)).not.toContain(gone);
    expect((await history(id))[0]).toBe('SCALE_UP 1>2 success');
  });

  it('replaces its members when the template changes, new ones first', async () => {
    const id = await create(fixed(2));
    const before = await ids(id);
    const changed = { ...fixed(2), droplet_template: { ...template(), size: 's-2vcpu-2gb' } };
    await update(id, changed);
    expect(await ids(id)).toHaveLength(4);
    await pass(minutes(11));
    const after = await ids(id);
    expect(after).toHaveLength(2);
    expect(after.filter((member) => before.includes(member))).toEqual([]);
    expect((await getDroplet(atoll.api, after[0] ?? 0)).size_slug).toBe('s-2vcpu-2gb');
    await update(id, changed);
    await pass(minutes(11));
    expect(await ids(id)).toEqual(after);
  });

  it('says why it cannot be reached, tries again each minute, and gets there', async () => {
    await limit(1);
    const id = await create(fixed(2));
    expect((await get(id)).status).toBe('error');
    await pass(minutes(5));
    const { history: events } = await atoll.api.expect(200, 'GET', `${root}/${id}/history`);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      status: 'error',
      error_reason: expect.stringContaining('droplet limit'),
    });
    await limit(10);
    await pass(minutes(2));
    expect(await ids(id)).toHaveLength(2);
    expect((await get(id)).status).toBe('active');
    expect(await history(id)).toEqual(['CONFIGURATION_CHANGE 0>2 success']);
  });

  it('does not keep members that could not be made, and does not hurry to make more', async () => {
    atoll.world.fail('create', new EngineError('exhausted', 'no room'), 2);
    const id = await create(fixed(2));
    expect((await get(id)).status).toBe('error');
    expect(await ids(id)).toEqual([]);
    await pass(minutes(2));
    expect(await ids(id)).toHaveLength(2);
    expect((await get(id)).status).toBe('active');
    expect(await droplets()).toEqual(await ids(id));
  });
});

describe('a pool that scales by load', () => {
  it('begins at the least, follows the load within its bounds, and cools down in between', async () => {
    const id = await create(dynamic());
    expect(await ids(id)).toHaveLength(2);
    await load(id, 0.9);
    await pass(minutes(4));
    expect(await ids(id)).toHaveLength(2);
    expect((await get(id)).current_utilization.cpu).toBeCloseTo(0.9, 1);
    await pass(minutes(3));
    // ceil(2 × 0.9 ÷ 0.5)
    expect(await ids(id)).toHaveLength(4);
    await load(id, 0.9);
    await pass(minutes(2));
    expect(await ids(id)).toHaveLength(4);
    await pass(minutes(2));
    expect(await ids(id)).toHaveLength(5);
    await load(id, 0.01);
    await pass(minutes(8));
    expect(await ids(id)).toHaveLength(2);
    expect(await history(id)).toEqual([
      'SCALE_DOWN 5>2 success',
      'SCALE_UP 4>5 success',
      'SCALE_UP 2>4 success',
      'CONFIGURATION_CHANGE 0>2 success',
    ]);
  });

  it('looks at memory as well', async () => {
    const id = await create(dynamic({ target_memory_utilization: 0.4 }));
    await load(id, 0.01, 0.8);
    await pass(minutes(8));
    expect(await ids(id)).toHaveLength(4);
    const [member] = await members(id);
    expect(member?.current_utilization.memory).toBeCloseTo(0.8, 2);
  });

  it('stays as it is while the engine cannot be asked', async () => {
    const id = await create(dynamic());
    await load(id, 0.9);
    atoll.world.fail('usage', new EngineError('unavailable', 'down'), 1000);
    await pass(minutes(10));
    expect(await ids(id)).toHaveLength(2);
    expect((await get(id)).status).toBe('active');
  });

  it('keeps a decided size when its bounds change, within them', async () => {
    const id = await create(dynamic());
    await load(id, 1);
    await pass(minutes(7));
    expect(await ids(id)).toHaveLength(4);
    await update(id, dynamic({ max_instances: 3 }));
    expect(await ids(id)).toHaveLength(3);
  });
});

describe('deleting a pool', () => {
  it('keeps its droplets', async () => {
    const id = await create(fixed(2));
    const kept = await ids(id);
    expect(await atoll.api.expect(202, 'DELETE', `${root}/${id}`)).toBeUndefined();
    const { message } = await atoll.api.expect(404, 'GET', `${root}/${id}`);
    expect(message).toBe(`autoscale group with id ${id} not found`);
    await pass(minutes(5));
    expect(await droplets()).toEqual(kept);
  });

  it('takes them along if that is asked for with the header', async () => {
    const id = await create(fixed(3));
    await atoll.api.expect(400, 'DELETE', `${root}/${id}/dangerous`);
    expect(await droplets()).toHaveLength(3);
    await atoll.api.expect(202, 'DELETE', `${root}/${id}/dangerous`, undefined, { 'x-dangerous': 'true' });
    await settle();
    await atoll.api.expect(404, 'GET', `${root}/${id}`);
    expect(await droplets()).toEqual([]);
    expect(atoll.world.machines.size).toBe(0);
  });
});

describe('the API of pools', () => {
  it('lists by name, in pages, of the own team only', async () => {
    const one = await create({ ...fixed(1), name: 'one' });
    const two = await create({ ...fixed(1), name: 'two' });
    const all = await atoll.api.expect(200, 'GET', root);
    expect(all.autoscale_pools.map((pool: { id: string }) => pool.id).sort()).toEqual([one, two].sort());
    expect(all.meta.total).toBe(2);
    const named = await atoll.api.expect(200, 'GET', `${root}?name=two`);
    expect(named.autoscale_pools.map((pool: { id: string }) => pool.id)).toEqual([two]);
    const other = await atoll.newTeam();
    expect((await other.api.expect(200, 'GET', root)).autoscale_pools).toEqual([]);
    for (const path of ['', '/members', '/history'])
      await other.api.expect(404, 'GET', `${root}/${one}${path}`);
    await other.api.expect(404, 'PUT', `${root}/${one}`, { ...fixed(2), name: 'one' });
    await other.api.expect(404, 'DELETE', `${root}/${one}`);
    await atoll.api.expect(404, 'GET', `${root}/nonsense`);
  });

  it.each([
    ['droplet_template.region', { region: 'mars1' }],
    ['s-none', { size: 's-none' }],
    ['no-such-image', { image: 'no-such-image' }],
    ['ssh_keys[0]', { ssh_keys: ['00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff'] }],
    ['droplet_template.vpc_uuid', { vpc_uuid: '00000000-0000-4000-8000-000000000000' }],
    ['droplet_template.public_networking', { public_networking: false }],
    ['droplet_template.tags[0]', { tags: ['not a tag'] }],
  ])('refuses a template and names %s', async (named, extra) => {
    const body = { ...fixed(1), droplet_template: { ...template(), ...extra } };
    expect((await atoll.api.expect(422, 'POST', root, body)).message).toContain(named);
    expect((await atoll.api.expect(200, 'GET', root)).autoscale_pools).toEqual([]);
  });

  it('refuses another name and a pool that is being deleted', async () => {
    const id = await create(fixed(1));
    const { message } = await atoll.api.expect(422, 'PUT', `${root}/${id}`, { ...fixed(1), name: 'other' });
    expect(message).toContain('name cannot be changed');
    await atoll.database.store.db
      .updateTable('autoscale_pools')
      .set({ status: 'deleting' })
      .where('id', '=', id)
      .execute();
    await atoll.api.expect(409, 'PUT', `${root}/${id}`, fixed(2));
  });
});

it('a member made while its pool was being deleted does not stay', async () => {
  const id = await create(fixed(1));
  await atoll.api.expect(202, 'DELETE', `${root}/${id}`);
  const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', {
    name: 'late',
    region: 'nyc3',
    size: 's-1vcpu-1gb',
    image: 'debian-12-x64',
  });
  const { db } = atoll.database.store;
  await db.updateTable('droplets').set({ autoscale_pool_id: id }).where('id', '=', droplet.id).execute();
  await ended(atoll.api, links.actions[0].id);
  await settle();
  await atoll.api.expect(404, 'GET', `/v2/droplets/${droplet.id}`);
});
