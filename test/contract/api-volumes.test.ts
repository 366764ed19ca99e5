/** Block storage: volumes and their actions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { silentLog } from '../../src/base/log.ts';
import { inventoriesOf } from '../../src/cloud/index.ts';
import { listQuarantined } from '../../src/control/quarantine.ts';
import { sweep } from '../../src/control/sweep.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { until } from '../support/until.ts';
import { createVolume, newName, unknownVolume, volumeOrder, volumesOf } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const { create, get, act, droplet, refused, held } = volumesOf(() => atoll);

describe('creating volumes', () => {
  it('answers the volume, then makes its bytes with the filesystem that was asked for', async () => {
    const volume = await create({
      name: 'first',
      description: 'The first',
      filesystem_type: 'ext4',
      filesystem_label: 'first_one',
      tags: ['Store', 'db'],
    });
    expect(volume).toMatchObject({
      name: 'first',
      description: 'The first',
      size_gigabytes: 10,
      region: { slug: 'nyc3', name: 'New York 3' },
      droplet_ids: [],
      filesystem_type: 'ext4',
      filesystem_label: 'first_one',
      tags: ['Store', 'db'],
    });
    await until(async () => (await held(volume.id))?.sizeGib === 10);
    expect(atoll.host.readVolume(volume.id)).toMatch(/^ext4.first_one$/m);
    expect(await get(volume.id)).toEqual(volume);
  });

  it('takes what godo sends of fields without a value', async () => {
    const empty = { snapshot_id: '', filesystem_type: '', filesystem_label: '', description: '', tags: null };
    expect(await create({ ...empty, region: 'FRA1' })).toMatchObject({
      filesystem_type: '',
      region: { slug: 'fra1' },
    });
  });

  it.each([
    [{ name: 'Upper' }, /^name .*lowercase and alphanumeric/],
    [{ name: '1st' }, /^name /],
    [{ name: 'under_score' }, /^name /],
    [{ name: `a${'b'.repeat(64)}` }, /^name /],
    [{ size_gigabytes: 16_385 }, /^size_gigabytes /],
    [{ size_gigabytes: -1 }, /^size_gigabytes /],
    [{ size_gigabytes: 0 }, /^size_gigabytes is missing/],
    [{ region: 'mars1' }, /^region 'mars1' is not a region/],
    [{ region: undefined }, /^region is missing/],
    [{ filesystem_type: 'zfs' }, /^filesystem_type /],
    [{ filesystem_label: 'alone' }, /^filesystem_label .*filesystem_type/],
    [{ filesystem_type: 'ext4', filesystem_label: 'x'.repeat(17) }, /^filesystem_label .*16/],
    [{ filesystem_type: 'xfs', filesystem_label: 'x'.repeat(13) }, /^filesystem_label .*12/],
    [{ filesystem_type: 'xfs', filesystem_label: 'a b' }, /^filesystem_label /],
    [{ snapshot_id: unknownVolume }, /^snapshot_id /],
    [{ snapshot_id: 'none' }, /^snapshot_id /],
    [{ tags: ['a b'] }, /^tags\[0\] /],
  ])('refuses %j and says why', async (extra, message) => {
    const body = { ...volumeOrder, name: newName(), ...extra };
    expect(await refused(422, '/v2/volumes', body)).toMatch(message);
  });

  it('keeps a name for one volume in a region, also when two ask at once', async () => {
    const name = newName();
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => atoll.api.call('POST', '/v2/volumes', { ...volumeOrder, name })),
    );
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409, 409, 409]);
    await create({ name, region: 'fra1' });
    const first = answers.find(({ status }) => status === 201)?.body.volume;
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${first.id}`);
    await create({ name });
  });

  it('ends at the limit of the account, also when two ask for the last place', async () => {
    const { api, teamId } = await atoll.newTeam();
    await atoll.database.store.db
      .updateTable('teams')
      .set({ volume_limit: 2 })
      .where('id', '=', teamId)
      .execute();
    await createVolume(api);
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((name) => api.call('POST', '/v2/volumes', { ...volumeOrder, name })),
    );
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 403, 403]);
    const { body } = answers.find(({ status }) => status === 403) ?? {};
    expect(body).toMatchObject({
      id: 'forbidden',
      message: expect.stringMatching(/^failed to create volume: volume\/snapshot capacity limit exceeded/),
    });
  });
});

describe('listing volumes', () => {
  it('pages, filters by name, by region and by both, and shows a team its own only', async () => {
    const { api } = await atoll.newTeam();
    for (const [name, region] of [
      ['a', 'nyc3'],
      ['b', 'nyc3'],
      ['a', 'fra1'],
    ])
      await createVolume(api, { name, region });
    const list = async (query: string) => {
      const { volumes, meta } = await api.expect(200, 'GET', `/v2/volumes?${query}`);
      const seen = volumes.map((volume: { name: string; region: { slug: string } }) =>
        [volume.name, volume.region.slug].join('@'),
      );
      return { seen, total: meta.total };
    };
    expect(await list('')).toEqual({ seen: ['a@nyc3', 'b@nyc3', 'a@fra1'], total: 3 });
    expect(await list('per_page=2&page=2')).toEqual({ seen: ['a@fra1'], total: 3 });
    expect(await list('name=a')).toEqual({ seen: ['a@nyc3', 'a@fra1'], total: 2 });
    expect(await list('region=nyc3')).toEqual({ seen: ['a@nyc3', 'b@nyc3'], total: 2 });
    expect(await list('name=a&region=fra1')).toEqual({ seen: ['a@fra1'], total: 1 });
    expect(await list('name=a&region=ams3')).toEqual({ seen: [], total: 0 });
  });

  it('hides what belongs to others', async () => {
    const { id, name } = await create();
    const { api } = await atoll.newTeam();
    await api.expect(404, 'GET', `/v2/volumes/${id}`);
    await api.expect(404, 'DELETE', `/v2/volumes/${id}`);
    await api.expect(404, 'DELETE', `/v2/volumes?name=${name}&region=nyc3`);
    await api.expect(404, 'GET', `/v2/volumes/${id}/actions`);
    await api.expect(404, 'GET', `/v2/volumes/${id}/snapshots`);
    await api.expect(404, 'POST', `/v2/volumes/${id}/snapshots`, { name: 'theirs' });
    await api.expect(404, 'POST', `/v2/volumes/${id}/actions`, { type: 'resize', size_gigabytes: 20 });
    await atoll.api.expect(404, 'GET', '/v2/volumes/none');
  });
});

describe('resizing volumes', () => {
  it('grows, attached or not, and never shrinks', async () => {
    const { id: volume } = await create();
    const path = `/v2/volumes/${volume}/actions`;
    expect(await act(volume, { type: 'resize', size_gigabytes: 20, region: 'nyc3' })).toMatchObject({
      status: 'completed',
      type: 'resize_volume',
    });
    expect((await get(volume)).size_gigabytes).toBe(20);
    expect((await held(volume))?.sizeGib).toBe(20);
    const id = await droplet();
    await act(volume, { type: 'attach', droplet_id: id });
    expect((await act(volume, { type: 'resize', size_gigabytes: 30 })).status).toBe('completed');
    expect((await held(volume))?.sizeGib).toBe(30);
    for (const size_gigabytes of [30, 29])
      expect(await refused(422, path, { type: 'resize', size_gigabytes })).toMatch(/^size_gigabytes must/);
    expect(await refused(422, path, { type: 'resize', size_gigabytes: 16_385 })).toMatch(/^size_gigabytes /);
    expect(await refused(422, path, { type: 'resize' })).toMatch(/^size_gigabytes is missing/);
  });

  it('errs where the host is full, and leaves the volume as it was', async () => {
    const { id: volume } = await create();
    await until(async () => (await held(volume)) !== undefined);
    atoll.host.fail('ensureVolume', new EngineError('exhausted', 'full'));
    const action = await act(volume, { type: 'resize', size_gigabytes: 50 });
    expect(action).toMatchObject({ status: 'errored', message: expect.stringMatching(/no room/) });
    expect((await get(volume)).size_gigabytes).toBe(10);
    expect((await act(volume, { type: 'resize', size_gigabytes: 20 })).status).toBe('completed');
  });

  it('waits while the host is away', async () => {
    const { id: volume } = await create();
    await until(async () => (await held(volume)) !== undefined);
    atoll.host.fail('ensureVolume', new EngineError('unavailable', 'away'), 2);
    expect((await act(volume, { type: 'resize', size_gigabytes: 11 })).status).toBe('completed');
  });
});

describe('deleting volumes', () => {
  it('hides a volume at once and deletes the bytes after', async () => {
    const { id, name } = await create({ tags: ['doomed'] });
    await until(async () => (await held(id)) !== undefined);
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${id}`);
    await atoll.api.expect(404, 'GET', `/v2/volumes/${id}`);
    await atoll.api.expect(404, 'DELETE', `/v2/volumes/${id}`);
    await until(async () => (await held(id)) === undefined);
    const { tag } = await atoll.api.expect(200, 'GET', '/v2/tags/doomed');
    expect(tag.resources.volumes.count).toBe(0);
    await create({ name });
    await atoll.api.expect(204, 'DELETE', `/v2/volumes?name=${name}&region=nyc3`);
    await atoll.api.expect(404, 'DELETE', `/v2/volumes?name=${name}&region=nyc3`);
    await atoll.api.expect(422, 'DELETE', `/v2/volumes?name=${name}`);
    await atoll.api.expect(422, 'DELETE', '/v2/volumes?region=nyc3');
  });

  it('refuses one that is attached', async () => {
    const { id } = await create();
    await droplet({ volumes: [id] });
    const { id: error, message } = await atoll.api.expect(409, 'DELETE', `/v2/volumes/${id}`);
    expect(error).toBe('conflict');
    expect(message).toMatch(/^A volume that's attached to a Droplet cannot be deleted\./);
  });
});

describe('tags', () => {
  it('are put on volumes and their snapshots, and taken off', async () => {
    const { id } = await create();
    const { snapshot } = await atoll.api.expect(201, 'POST', `/v2/volumes/${id}/snapshots`, { name: 's' });
    const resources = [
      { resource_id: id, resource_type: 'volume' },
      { resource_id: snapshot.id, resource_type: 'volume_snapshot' },
    ];
    await atoll.api.expect(204, 'POST', '/v2/tags/late/resources', { resources });
    expect((await get(id)).tags).toEqual(['late']);
    const path = `/v2/volumes/snapshots/${snapshot.id}`;
    expect((await atoll.api.expect(200, 'GET', path)).snapshot.tags).toEqual(['late']);
    await atoll.api.expect(204, 'DELETE', '/v2/tags/late/resources', { resources });
    expect((await get(id)).tags).toEqual([]);
    const wrong = { resources: [{ resource_id: unknownVolume, resource_type: 'volume' }] };
    await atoll.api.expect(404, 'POST', '/v2/tags/late/resources', wrong);
  });
});

describe('the sweep', () => {
  it('deletes what is gone, leaves what it does not know, and never makes again what is missing', async () => {
    const { host, database } = atoll;
    const { store } = database;
    const [{ id }, { id: left }] = [await create(), await create()];
    await until(async () => (await held(id)) !== undefined && (await held(left)) !== undefined);
    await host.ensureVolume({ id: unknownVolume, sizeGib: 1 }, { make: true });
    await host.snapshotVolume(unknownVolume, unknownVolume, { make: true });
    const gone = { deleted_at: new Date(), gone_at: new Date() };
    await store.db.updateTable('volumes').set(gone).where('id', '=', left).execute();
    await host.deleteVolume(id);
    const deps = { store, clock: systemClock, log: silentLog, signal: new AbortController().signal };
    const inventories = inventoriesOf({ ...deps, secrets: atoll.keys.secrets, host, compute: atoll.compute });
    await sweep(
      deps,
      inventories.filter(({ kind }) => kind.startsWith('volume')),
    );
    expect(await held(left)).toBeUndefined();
    expect(await held(unknownVolume)).toBeDefined();
    expect((await host.volumes()).snapshots).toContain(unknownVolume);
    expect((await listQuarantined(store.db)).map(({ kind, name }) => [kind, name])).toEqual([
      ['volume', unknownVolume],
      ['volume snapshot', unknownVolume],
    ]);
    await until(async () => {
      const row = await store.db
        .selectFrom('volumes')
        .select('missing_at')
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      return row.missing_at !== null;
    });
    expect(await held(id)).toBeUndefined();
    await host.deleteVolume(unknownVolume);
    await host.deleteVolumeSnapshot(unknownVolume);
  });
});
