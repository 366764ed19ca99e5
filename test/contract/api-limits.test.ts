/** What a team may have at most, asked for by many requests at the same time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { order } from '../support/droplets.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { newName, volumeOrder } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

type Limits = { droplet_limit?: number; volume_limit?: number; reserved_ip_limit?: number };

async function limitedTeam(limits: Limits) {
  const team = await atoll.newTeam();
  await atoll.database.store.db.updateTable('teams').set(limits).where('id', '=', team.teamId).execute();
  return team;
}

const reserve = () => ({ region: 'nyc3' });

describe('twelve requests at once, where three have room:', () => {
  it.each<[what: string, limits: Limits, path: string, key: string, body: () => object, refused: number]>([
    ['droplets', { droplet_limit: 3 }, '/v2/droplets', 'droplets', () => order, 422],
    [
      'volumes',
      { volume_limit: 3 },
      '/v2/volumes',
      'volumes',
      () => ({ ...volumeOrder, name: newName() }),
      403,
    ],
    ['reserved IPs', { reserved_ip_limit: 3 }, '/v2/reserved_ips', 'reserved_ips', reserve, 422],
    ['floating IPs', { reserved_ip_limit: 3 }, '/v2/floating_ips', 'floating_ips', reserve, 422],
    [
      'reserved IPv6',
      { reserved_ip_limit: 3 },
      '/v2/reserved_ipv6',
      'reserved_ipv6s',
      () => ({ region_slug: 'nyc3' }),
      422,
    ],
  ])('%s', async (_what, limits, path, key, body, refused) => {
    const { api } = await limitedTeam(limits);
    const answers = await Promise.all(Array.from({ length: 12 }, () => api.call('POST', path, body())));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status < 300)).toHaveLength(3);
    expect(statuses.filter((status) => status === refused)).toHaveLength(9);
    expect((await api.expect(200, 'GET', path))[key]).toHaveLength(3);
  });
});

it('droplets by twos fill the last places, and never half of a request', async () => {
  const { api } = await limitedTeam({ droplet_limit: 5 });
  const two = { ...order, name: undefined, names: ['a', 'b'] };
  const answers = await Promise.all(Array.from({ length: 8 }, () => api.call('POST', '/v2/droplets', two)));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
    202,
    202,
    ...Array(6).fill(422),
  ]);
  await api.expect(202, 'POST', '/v2/droplets', order);
  await api.expect(422, 'POST', '/v2/droplets', order);
});

it('far from the limit no create waits for another’s commit', async () => {
  const { api, teamId } = await limitedTeam({ droplet_limit: 1_000_000 });
  await api.expect(202, 'POST', '/v2/droplets', order);
  const held = await atoll.database.store.pool.connect();
  try {
    await held.query('begin');
    await held.query('select take_droplet_room($1, 1, 10)', [teamId]);
    await api.expect(202, 'POST', '/v2/droplets', order);
  } finally {
    await held.query('rollback');
    held.release();
  }
});

it('of two autoscale pools that grow at once, only one finds room for both', async () => {
  const { api } = await limitedTeam({ droplet_limit: 6 });
  const key = { name: 'pool', public_key: publicKey() };
  const { ssh_key } = await api.expect(201, 'POST', '/v2/account/keys', key);
  const pool = (name: string) => ({
    name,
    config: { target_number_instances: 4 },
    droplet_template: { ...order, name: undefined, ssh_keys: [ssh_key.fingerprint] },
  });
  const made = await Promise.all(
    ['a', 'b'].map((name) => api.expect(202, 'POST', '/v2/droplets/autoscale', pool(name))),
  );
  const outcome = async (id: string) =>
    (await api.expect(200, 'GET', `/v2/droplets/autoscale/${id}/history`)).history[0]?.status ?? '';
  const outcomes = () => Promise.all(made.map(({ autoscale_pool }) => outcome(autoscale_pool.id)));
  await until(async () => {
    const all = await outcomes();
    return all.includes('error') && all.includes('success');
  });
  expect((await api.expect(200, 'GET', '/v2/droplets')).meta.total).toBe(4);
});
