/** Whoever changes a droplet together with what belongs to it locks the droplet first, so that no two wait in a circle. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, order } from '../support/droplets.ts';
import { watchQueries } from '../support/queries.ts';
import { until } from '../support/until.ts';
import { actOnVolume, createVolume } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const path = (ip: string) => `/v2/reserved_ips/${ip}`;

async function reserved(dropletId: number): Promise<string> {
  const made = await atoll.api.expect(202, 'POST', '/v2/reserved_ips', { droplet_id: dropletId });
  await ended(atoll.api, made.links.actions[0].id);
  return made.reserved_ip.ip;
}

/** Waits until somebody waits for a lock of this connection. */
async function awaited(holder: pg.PoolClient): Promise<void> {
  const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
  await until(async () => {
    const waiting = await atoll.database.store.pool.query(
      'select from pg_stat_activity where $1 = any(pg_blocking_pids(pid))',
      [rows[0]?.pid],
    );
    return waiting.rows.length > 0;
  });
}

/** Sends a request while another transaction has the droplet, which then takes the row that `locks` names. */
async function whileHeld<Answer>(
  dropletId: number,
  send: () => Promise<Answer>,
  locks: string,
): Promise<Answer> {
  const holder = await atoll.database.store.pool.connect();
  try {
    await holder.query('begin');
    await holder.query('select from droplets where id = $1 for update', [dropletId]);
    const sent = send();
    await awaited(holder);
    await expect(holder.query(`${locks} for update nowait`)).resolves.toMatchObject({ rowCount: 1 });
    await holder.query('rollback');
    return await sent;
  } finally {
    await holder.query('rollback');
    holder.release();
  }
}

describe('a request that waits for a droplet', () => {
  it('has not locked the reserved address', async () => {
    const [from, to] = [await createDroplet(atoll.api), await createDroplet(atoll.api)];
    const ip = await reserved(from.id);
    const row = `select from reserved_ips where ip = '${ip}'`;
    const action = (body: object) => async () => {
      const begun = await atoll.api.expect(201, 'POST', `${path(ip)}/actions`, body);
      expect((await ended(atoll.api, begun.action.id)).status).toBe('completed');
    };
    await whileHeld(from.id, action({ type: 'assign', droplet_id: to.id }), row);
    await whileHeld(from.id, action({ type: 'assign', droplet_id: from.id }), row);
    await whileHeld(from.id, action({ type: 'unassign' }), row);
    await action({ type: 'assign', droplet_id: from.id })();
    await whileHeld(from.id, () => atoll.api.expect(204, 'DELETE', path(ip)), row);
  });

  it('has not locked the volume', async () => {
    const droplet = await createDroplet(atoll.api);
    const volume = await createVolume(atoll.api);
    await actOnVolume(atoll.api, volume.id, { type: 'attach', droplet_id: droplet.id });
    const resize = { type: 'resize', size_gigabytes: 20 };
    const row = `select from volumes where id = '${volume.id}'`;
    const grown = await whileHeld(droplet.id, () => actOnVolume(atoll.api, volume.id, resize), row);
    expect(grown.status).toBe('completed');
  });

  it('has not taken off the tag', async () => {
    const droplet = await createDroplet(atoll.api, { tags: ['one', 'two'] });
    const row = (tag: string) =>
      `select from taggings where resource_id = '${droplet.id}' and tag_id = (select id from tags where name = '${tag}')`;
    const resources = [{ resource_id: String(droplet.id), resource_type: 'droplet' }];
    const unassign = () => atoll.api.expect(204, 'DELETE', '/v2/tags/one/resources', { resources });
    await whileHeld(droplet.id, unassign, row('one'));
    await whileHeld(droplet.id, () => atoll.api.expect(204, 'DELETE', '/v2/tags/two'), row('two'));
  });

  it('takes the address as it is then, where another droplet got it meanwhile', async () => {
    const [first, second] = [await createDroplet(atoll.api), await createDroplet(atoll.api)];
    const ip = await reserved(first.id);
    const holder = await atoll.database.store.pool.connect();
    await holder.query('begin');
    await holder.query('select from droplets where id = $1 for update', [first.id]);
    const released = atoll.api.expect(204, 'DELETE', path(ip));
    await awaited(holder);
    await holder.query('update reserved_ips set droplet_id = $1 where ip = $2', [second.id, ip]);
    await holder.query('commit');
    holder.release();
    await released;
    await atoll.api.expect(404, 'GET', path(ip));
  });
});

it('addresses assigned, taken off and released while their droplets are destroyed: no deadlock', async () => {
  const watched = watchQueries(atoll.database);
  const { api } = await atoll.newTeam();
  for (let round = 0; round < 4; round++) {
    const many = { ...order, name: undefined, names: ['a', 'b', 'c', 'd', 'e', 'f'], tags: ['round'] };
    const { droplets } = await api.expect(202, 'POST', '/v2/droplets', many);
    const ids: number[] = droplets.map(({ id }: { id: number }) => id);
    const made = await Promise.all(
      ids.slice(0, 4).map((droplet_id) => api.expect(202, 'POST', '/v2/reserved_ips', { droplet_id })),
    );
    const ips: string[] = made.map(({ reserved_ip }) => reserved_ip.ip);
    for (const { links } of made) await ended(api, links.actions[0].id);
    const statuses = await Promise.all([
      ...ips.flatMap((ip, n) => [
        api.call('POST', `${path(ip)}/actions`, { type: 'assign', droplet_id: ids[(n + 2) % 6] }),
        api.call('POST', `${path(ip)}/actions`, { type: 'assign', droplet_id: ids[5 - n] }),
        api.call('POST', `${path(ip)}/actions`, { type: 'unassign' }),
      ]),
      ...ids.slice(0, 3).map((id) => api.call('DELETE', `/v2/droplets/${id}`)),
      api.call('DELETE', '/v2/tags/round'),
      api.call('DELETE', '/v2/droplets?tag_name=round'),
      ...ips.slice(0, 2).map((ip) => api.call('DELETE', path(ip))),
    ]);
    for (const { status } of statuses) expect([201, 204, 404, 422]).toContain(status);
    await api.call('DELETE', '/v2/droplets?tag_name=round');
    for (const id of ids) await api.call('DELETE', `/v2/droplets/${id}`);
    for (const ip of ips) await api.call('DELETE', path(ip));
  }
  expect(watched.deadlocks()).toBe(0);
});
