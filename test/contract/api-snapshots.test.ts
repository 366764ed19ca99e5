/** Snapshots: of volumes by their own paths, and of both kinds together. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import type { ApiClient } from '../support/api-client.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { until } from '../support/until.ts';
import { createVolume, newName } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const snap = async (api: ApiClient, volume: string, body: object = {}) =>
  (await api.expect(201, 'POST', `/v2/volumes/${volume}/snapshots`, { name: 'snap', ...body })).snapshot;
const kept = async (id: string) => (await atoll.host.volumes()).snapshots.includes(id);
const volumeIds = async () => (await atoll.host.volumes()).volumes.map(({ id }) => id);
const allTaken = async () => {
  const { db } = atoll.database.store;
  const due = db.selectFrom('volume_snapshots').select('id').where('gone_at', 'is', null);
  const pending = due.where('status', '=', 'pending');
  return (await pending.limit(1).executeTakeFirst()) === undefined;
};

/** A snapshot of a running droplet, when it is taken. */
async function dropletSnapshot(api: ApiClient, name: string): Promise<{ id: string; droplet: number }> {
  const { id } = await createDroplet(api);
  const body = { type: 'snapshot', name };
  const { action } = await api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
  expect((await ended(api, action.id)).status).toBe('completed');
  const { snapshots } = await api.expect(200, 'GET', '/v2/snapshots?resource_type=droplet');
  return { id: snapshots.at(-1).id, droplet: id };
}

describe('snapshots of a volume', () => {
  it('are there at once, are taken, and tell what they take', async () => {
    const volume = await createVolume(atoll.api, { filesystem_type: 'xfs' });
    await until(async () => (await volumeIds()).includes(volume.id));
    await atoll.host.writeVolume(volume.id, 'written');
    const snapshot = await snap(atoll.api, volume.id, { tags: ['nightly'] });
    expect(snapshot).toMatchObject({
      name: 'snap',
      resource_id: volume.id,
      resource_type: 'volume',
      regions: ['nyc3'],
      min_disk_size: 10,
      tags: ['nightly'],
    });
    const path = `/v2/volumes/snapshots/${snapshot.id}`;
    await until(async () => (await atoll.api.expect(200, 'GET', path)).snapshot.size_gigabytes > 0);
    expect(await kept(snapshot.id)).toBe(true);
    const list = await atoll.api.expect(200, 'GET', `/v2/volumes/${volume.id}/snapshots`);
    expect(list).toMatchObject({ snapshots: [{ id: snapshot.id }], meta: { total: 1 } });
    await atoll.api.expect(204, 'DELETE', path);
    await atoll.api.expect(404, 'GET', path);
    await atoll.api.expect(404, 'DELETE', path);
    await until(async () => !(await kept(snapshot.id)));
  });

  it.each([{}, { filesystem_type: 'ext4' }, { filesystem_type: 'xfs' }])(
    'are of no size where nothing was written: %o',
    async (filesystem) => {
      const volume = await createVolume(atoll.api, filesystem);
      const { id } = await snap(atoll.api, volume.id);
      await until(async () => {
        const { db } = atoll.database.store;
        const query = db.selectFrom('volume_snapshots').select('status').where('id', '=', id);
        return (await query.executeTakeFirstOrThrow()).status === 'available';
      });
      const { snapshot } = await atoll.api.expect(200, 'GET', `/v2/snapshots/${id}`);
      expect(snapshot.size_gigabytes).toBe(0);
    },
  );

  it('outlive the volume, though it is deleted before they are taken', async () => {
    const volume = await createVolume(atoll.api);
    await until(async () => (await volumeIds()).includes(volume.id));
    await atoll.host.writeVolume(volume.id, 'precious');
    const snapshot = await snap(atoll.api, volume.id);
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${volume.id}`);
    await until(async () => !(await volumeIds()).includes(volume.id));
    expect(await kept(snapshot.id)).toBe(true);
    const copy = await createVolume(atoll.api, {
      snapshot_id: snapshot.id,
      size_gigabytes: undefined,
      region: undefined,
    });
    expect(copy).toMatchObject({ size_gigabytes: 10, region: { slug: 'nyc3' } });
    await until(async () => (await volumeIds()).includes(copy.id));
    expect(atoll.host.readVolume(copy.id)).toBe('precious');
  });

  it('give their bytes to volumes, though they are deleted before those are made', async () => {
    const volume = await createVolume(atoll.api, { filesystem_type: 'ext4', filesystem_label: 'x' });
    await until(async () => (await volumeIds()).includes(volume.id));
    await atoll.host.writeVolume(volume.id, 'inherited');
    atoll.host.fail('snapshotVolume', new EngineError('unavailable', 'away'), 2);
    const snapshot = await snap(atoll.api, volume.id);
    const copy = await createVolume(atoll.api, { snapshot_id: snapshot.id, size_gigabytes: 25 });
    expect(copy).toMatchObject({ filesystem_type: 'ext4', filesystem_label: 'x', size_gigabytes: 25 });
    await atoll.api.expect(204, 'DELETE', `/v2/snapshots/${snapshot.id}`);
    await until(async () => (await volumeIds()).includes(copy.id));
    expect(atoll.host.readVolume(copy.id)).toBe('inherited');
    await until(async () => !(await kept(snapshot.id)));
  });

  it('refuse a volume that is smaller or elsewhere', async () => {
    const snapshot = await snap(atoll.api, (await createVolume(atoll.api)).id);
    const body = { name: newName(), snapshot_id: snapshot.id };
    const smaller = await atoll.api.expect(422, 'POST', '/v2/volumes', { ...body, size_gigabytes: 9 });
    expect(smaller.message).toMatch(/^size_gigabytes .*10 GiB/);
    const elsewhere = await atoll.api.expect(422, 'POST', '/v2/volumes', { ...body, region: 'fra1' });
    expect(elsewhere.message).toMatch(/^region /);
  });

  it('are at most twenty-five of a volume', async () => {
    const { id } = await createVolume(atoll.api);
    await Promise.all(Array.from({ length: 25 }, () => snap(atoll.api, id)));
    const path = `/v2/volumes/${id}/snapshots`;
    const { message } = await atoll.api.expect(422, 'POST', path, { name: 'more' });
    expect(message).toMatch(/at most 25 snapshots/);
    expect((await atoll.api.expect(200, 'GET', `${path}?per_page=10&page=3`)).snapshots).toHaveLength(5);
  });

  it('that cannot be taken are not there', async () => {
    const { id } = await createVolume(atoll.api);
    await until(async () => (await volumeIds()).includes(id));
    // The failure is the next call's, whosever it is: those of other tests come first.
    await until(allTaken);
    atoll.host.fail('snapshotVolume', new EngineError('exhausted', 'full'));
    const snapshot = await snap(atoll.api, id);
    await until(async () => (await atoll.api.call('GET', `/v2/snapshots/${snapshot.id}`)).status === 404);
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${id}`);
    await until(async () => !(await volumeIds()).includes(id));
  });
});

describe('all snapshots', () => {
  it('are listed together and by kind, with text for ids', async () => {
    const { api } = await atoll.newTeam();
    const volume = await createVolume(api);
    const first = await snap(api, volume.id, { name: 'of-volume' });
    const second = await dropletSnapshot(api, 'of-droplet');
    const list = async (query: string) => {
      const { snapshots, meta } = await api.expect(200, 'GET', `/v2/snapshots?${query}`);
      return [snapshots.map(({ id }: { id: string }) => id), meta.total];
    };
    expect(await list('')).toEqual([[first.id, second.id], 2]);
    expect(await list('resource_type=volume')).toEqual([[first.id], 1]);
    expect(await list('resource_type=droplet')).toEqual([[second.id], 1]);
    expect(await list('resource_type=volume&region=fra1')).toEqual([[], 0]);
    expect(await list('per_page=1&page=2')).toEqual([[second.id], 2]);
    await api.expect(422, 'GET', '/v2/snapshots?resource_type=image');
    const { snapshot } = await api.expect(200, 'GET', `/v2/snapshots/${second.id}`);
    expect(snapshot).toMatchObject({
      name: 'of-droplet',
      resource_id: String(second.droplet),
      resource_type: 'droplet',
      min_disk_size: 25,
    });
    expect((await api.expect(200, 'GET', `/v2/snapshots/${first.id}`)).snapshot.name).toBe('of-volume');
    for (const { id } of [first, second]) {
      await atoll.api.expect(404, 'GET', `/v2/snapshots/${id}`);
      await atoll.api.expect(404, 'DELETE', `/v2/snapshots/${id}`);
      await api.expect(204, 'DELETE', `/v2/snapshots/${id}`);
      await api.expect(404, 'GET', `/v2/snapshots/${id}`);
    }
    expect(await list('')).toEqual([[], 0]);
    await api.expect(200, 'GET', `/v2/droplets/${second.droplet}`);
  });

  it('are not what other images are', async () => {
    const { id } = await atoll.database.store.db
      .insertInto('images')
      .values({
        team_id: atoll.team.teamId,
        name: 'b',
        type: 'backup',
        status: 'available',
        regions: ['nyc3'],
        min_disk_gib: 25,
        created_at: new Date(),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    for (const method of ['GET', 'DELETE'] as const) {
      const { message } = await atoll.api.expect(400, method, `/v2/snapshots/${id}`);
      expect(message).toBe('the resource is not a snapshot');
      await atoll.api.expect(404, method, '/v2/snapshots/1');
      await atoll.api.expect(404, method, '/v2/snapshots/none');
    }
  });
});
