/** Every operation that changes something leaves an audit row, and an event of what it has changed. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDroplet } from '../support/droplets.ts';
import { snapshotImage } from '../support/images.ts';
import { builtOperations, pathOf } from '../support/operations.ts';
import { createVolume } from '../support/volumes.ts';
import { type Good, type Lab, openLab } from './fixtures.ts';
import { untilIdle } from './idle.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab.close());

/** Operations that leave less, each with its reason. */
const without: Record<string, { events: string }> = {
  droplets_destroy_retryWithAssociatedResources: {
    events: 'nothing changes of the Droplet, which is gone; what is destroyed then has events of its own',
  },
};

/** Where the good request would find nothing to change, or what another has changed: another one. */
const instead: Record<string, (good: Good) => Promise<Good>> = {
  async autoscalepools_delete_dangerous() {
    const { body } = lab.good.autoscalepools_create ?? {};
    const { autoscale_pool } = await lab.atoll.api.expect(202, 'POST', '/v2/droplets/autoscale', body);
    return { params: [autoscale_pool.id] };
  },
  async droplets_destroy_byTag() {
    await createDroplet(lab.atoll.api, { tags: ['doomed'] });
    return { query: 'tag_name=doomed' };
  },
  async volumes_delete_byName() {
    await createVolume(lab.atoll.api, { name: 'doomed' });
    return { query: 'name=doomed&region=nyc3' };
  },
  floatingIPsAction_post: async (good) => ({ ...good, body: { type: 'unassign' } }),
  async tags_assign_resources(good) {
    const { id } = await createDroplet(lab.atoll.api);
    return { ...good, body: { resources: [{ resource_id: String(id), resource_type: 'droplet' }] } };
  },
  async tags_unassign_resources() {
    const { id } = await createDroplet(lab.atoll.api, { tags: ['untagged'] });
    const resources = [{ resource_id: String(id), resource_type: 'droplet' }];
    return { params: ['untagged'], body: { resources } };
  },
  volumeActions_post_byId: async (good) => ({ ...good, body: { ...good.body, size_gigabytes: 40 } }),
};

const changing = builtOperations().filter(({ method }) => method !== 'GET');

it('of all operations that are built', async () => {
  const { api, database } = lab.atoll;
  const { pool } = database.store;
  const lacking: Record<string, unknown> = {};
  const inOrder = ['POST', 'PUT', 'PATCH', 'DELETE'].flatMap((verb) =>
    changing.filter(({ method }) => method === verb),
  );
  expect(inOrder).toHaveLength(changing.length);
  for (const operation of inOrder) {
    await untilIdle(lab.atoll);
    const good = lab.good[operation.id] ?? {};
    const { params, query, body } = (await instead[operation.id]?.(good)) ?? good;
    await untilIdle(lab.atoll);
    const before = await pool.query<{ id: number }>('select coalesce(max(id), 0) as id from events');
    const answer = await api.call(
      operation.method,
      pathOf(operation, params) + (query ? `?${query}` : ''),
      body,
      operation.id.endsWith('angerous') ? { 'x-dangerous': 'true' } : {},
    );
    const audited = await pool.query('select urn from audit where request_id = $1 and urn is not null', [
      answer.headers['x-request-id'],
    ]);
    // Those of the loop are nobody's, as are those of the other team that is told of what it has offered.
    const told = await pool.query('select from events where id > $1 and (user_id = $2 or team_id <> $3)', [
      before.rows[0]?.id,
      lab.atoll.team.userId,
      lab.atoll.team.teamId,
    ]);
    const events = without[operation.id] === undefined ? (told.rowCount ?? 0) > 0 : told.rowCount === 0;
    const fine = { status: operation.status, audited: true, events: true };
    const found = { status: answer.status, audited: (audited.rowCount ?? 0) > 0, events };
    if (JSON.stringify(found) !== JSON.stringify(fine))
      lacking[operation.id] = { ...found, body: answer.body };
  }
  expect(lacking).toEqual({});
}, 120_000);

it('but for those with a reason', () => {
  const ids = new Set(changing.map(({ id }) => id));
  for (const [id, { events }] of Object.entries(without)) {
    expect(ids).toContain(id);
    expect(events).toMatch(/\w+ \w+/);
  }
});

it('of tags, no event where nothing is given or loses one', async () => {
  const { api, database } = lab.atoll;
  const { id } = await createDroplet(api, { tags: ['worn'] });
  await createDroplet(api, { tags: ['elsewhere'] });
  await untilIdle(lab.atoll);
  const resources = [{ resource_id: String(id), resource_type: 'droplet' }];
  const left = async (method: 'POST' | 'DELETE', name: string) => {
    const { headers } = await api.call(method, `/v2/tags/${name}/resources`, { resources });
    const { rows } = await database.store.pool.query<{ audited: number; told: number }>(
      `select (select count(*) from audit where request_id = $1) as audited,
        (select count(*) from events where token_id is not null
          and urn in ('do:tag:worn', 'do:tag:elsewhere', 'do:droplet:${id}')) as told`,
      [headers['x-request-id']],
    );
    return rows[0];
  };
  // Of the droplet's creation.
  const before = { audited: 1, told: 3 };
  expect(await left('POST', 'worn')).toEqual(before);
  expect(await left('DELETE', 'elsewhere')).toEqual(before);
  expect(await left('DELETE', 'worn')).toEqual({ audited: 1, told: 5 });
});

it('of a droplet, an event where an image of its own goes or becomes another kind', async () => {
  const { api, database, team, newTeam } = lab.atoll;
  const droplet = await createDroplet(api);
  await untilIdle(lab.atoll);
  const { teamId: recipient_uuid, api: theirs } = await newTeam();
  const image = (type: 'snapshot' | 'backup') =>
    snapshotImage(lab.atoll, { teamId: team.teamId, type, dropletId: droplet.id });
  const transfer = async () => {
    const id = await image('snapshot');
    const path = `/v2/images/${id}/account_transfer`;
    const { transfer_id } = await api.expect(201, 'POST', path, { recipient_uuid });
    return theirs.call('POST', `${path}/accept`, { transfer_id, recipient_uuid });
  };
  const told = async () => {
    const { rows } = await database.store.pool.query<{ change: string; team_id: string }>(
      'select change, team_id from events where urn = $1 order by xid, id',
      [`do:droplet:${droplet.id}`],
    );
    return rows;
  };
  for (const changing of [
    async () => api.call('DELETE', `/v2/images/${await image('snapshot')}`),
    async () => api.call('DELETE', `/v2/images/${await image('backup')}`),
    async () => api.call('DELETE', `/v2/snapshots/${await image('snapshot')}`),
    async () => api.call('POST', `/v2/images/${await image('backup')}/actions`, { type: 'convert' }),
    transfer,
  ]) {
    const before = await told();
    expect((await changing()).status).toBeLessThan(300);
    const change = { change: 'changed', team_id: team.teamId };
    expect((await told()).slice(before.length), String(changing)).toEqual([change]);
  }

  const left = await image('snapshot');
  await api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
  await untilIdle(lab.atoll);
  const before = await told();
  await api.expect(204, 'DELETE', `/v2/images/${left}`);
  expect(await told()).toEqual(before);
});

it('of a tag, an event where something new has it, and where that goes', async () => {
  const { api, database, team } = lab.atoll;
  const told = async () => {
    const { rows } = await database.store.pool.query<{ change: string }>(
      "select change from events where urn = 'do:tag:counted' order by xid, id",
    );
    return rows.map(({ change }) => change);
  };
  const tags = ['counted'];
  await createDroplet(api, { tags });
  expect(await told()).toEqual(['created']);
  const { id } = await createDroplet(api, { tags });
  const volume = await createVolume(api, { name: 'counted', tags });
  await untilIdle(lab.atoll);
  expect(await told()).toEqual(['created', 'changed', 'changed']);
  await api.expect(202, 'POST', `/v2/volumes/${volume.id}/actions`, { type: 'attach', droplet_id: id, tags });
  await untilIdle(lab.atoll);
  expect(await told()).toEqual(['created', 'changed', 'changed']);
  const image = await snapshotImage(lab.atoll, { teamId: team.teamId, type: 'snapshot', dropletId: id });
  const resources = [{ resource_id: String(image), resource_type: 'image' }];
  await api.expect(204, 'POST', '/v2/tags/counted/resources', { resources });
  await api.expect(204, 'DELETE', `/v2/snapshots/${image}`);
  await api.expect(204, 'DELETE', `/v2/droplets/${id}`);
  await untilIdle(lab.atoll);
  await api.expect(204, 'DELETE', `/v2/volumes/${volume.id}`);
  expect(await told()).toEqual(['created', ...Array.from({ length: 6 }, () => 'changed')]);
});
