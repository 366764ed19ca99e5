/** What was made once and is missing is told, never made again, and used again when it is back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { silentLog } from '../../src/base/log.ts';
import { inventoriesOf, missingBytes } from '../../src/cloud/index.ts';
import { sweep as sweepAll } from '../../src/control/sweep.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { ended, getDroplet, order } from '../support/droplets.ts';
import { until } from '../support/until.ts';
import { newName, volumeOrder, volumesOf } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const { create, act, droplet, get, refused, held } = volumesOf(() => atoll);

/** A volume that is made and has something written on it. */
async function made(extra: object = {}): Promise<string> {
  const { id } = await create(extra);
  await until(async () => (await held(id)) !== undefined);
  await until(async () => (await rowOf(id)).made_at !== null);
  await atoll.host.writeVolume(id, 'mine');
  return id;
}
const rowOf = (id: string) =>
  atoll.database.store.db
    .selectFrom('volumes')
    .select(['made_at', 'missing_at', 'size_gib', 'pending_action_id'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
const lost = async () => (await missingBytes(atoll.database.store.db, 100)).map(({ id }) => id);
async function sweep(kinds = ['volume', 'volume snapshot']): Promise<void> {
  const { database, host, engine } = atoll;
  const signal = new AbortController().signal;
  const deps = { store: database.store, clock: systemClock, log: silentLog, signal };
  const inventories = inventoriesOf({ ...deps, secrets: atoll.keys.secrets, host, compute: engine });
  const swept = await sweepAll(
    deps,
    inventories.filter(({ kind }) => kinds.includes(kind)),
  );
  expect(swept).toBe(true);
}
const actionOf = async (id: number) => (await atoll.api.expect(200, 'GET', `/v2/actions/${id}`)).action;

async function snapshotOf(volume: string): Promise<string> {
  const body = { name: newName() };
  const { snapshot } = await atoll.api.expect(201, 'POST', `/v2/volumes/${volume}/snapshots`, body);
  await until(async () => (await atoll.host.volumes()).snapshots.includes(snapshot.id));
  const path = `/v2/snapshots/${snapshot.id}`;
  await until(async () => (await atoll.api.expect(200, 'GET', path)).snapshot.size_gigabytes > 0);
  return snapshot.id;
}

/** Looks again at once, and not only after a while. */
async function look(id: string, kind = 'volume') {
  const { db } = atoll.database.store;
  await db
    .updateTable('reconcile')
    .set({ due: new Date(0) })
    .where('id', '=', id)
    .execute();
  await db
    .updateTable('reconcile')
    .set(({ eb }) => ({ wanted: eb('wanted', '+', 1) }))
    .where('kind', '=', kind)
    .where('id', '=', id)
    .execute();
}

describe('a volume whose bytes are missing', () => {
  it('is found by the sweep, refused for everything that needs them, and works when they are back', async () => {
    const id = await made({ filesystem_type: 'ext4' });
    const on = await droplet();
    const back = await atoll.host.loseVolume(id);
    await sweep();
    await until(async () => (await rowOf(id)).missing_at !== null);
    expect(await lost()).toContain(id);
    const path = `/v2/volumes/${id}`;
    const actions = `${path}/actions`;
    const why = /^(volumes\[0\]: )?The bytes of this volume have been missing on its host since 20/;
    expect(await refused(422, actions, { type: 'attach', droplet_id: on })).toMatch(why);
    expect(await refused(422, actions, { type: 'resize', size_gigabytes: 20 })).toMatch(why);
    expect(await refused(422, `${path}/snapshots`, { name: 's' })).toMatch(why);
    expect(await refused(422, '/v2/droplets', { ...order, volumes: [id] })).toMatch(why);
    expect((await get(id)).droplet_ids).toEqual([]);
    await look(id);
    expect(await held(id)).toBeUndefined();
    await back();
    await look(id);
    await until(async () => (await rowOf(id)).missing_at === null);
    expect(await lost()).not.toContain(id);
    expect((await act(id, { type: 'attach', droplet_id: on })).status).toBe('completed');
    expect(atoll.host.readVolume(id)).toBe('mine');
  });

  it('errs the attach that finds it out, and the droplet is unharmed', async () => {
    const [id, on] = [await made(), await droplet()];
    const back = await atoll.host.loseVolume(id);
    const action = await act(id, { type: 'attach', droplet_id: on });
    expect(action).toMatchObject({ status: 'errored', message: expect.stringMatching(/missing.*doctor/) });
    expect(await held(id)).toBeUndefined();
    expect(await lost()).toContain(id);
    expect((await atoll.compute.get(`droplet-${on}`))?.volumes).toEqual([]);
    expect(await getDroplet(atoll.api, on)).toMatchObject({ status: 'active', locked: false });
    await back();
  });

  it('errs the resize that finds it out', async () => {
    const id = await made();
    const back = await atoll.host.loseVolume(id);
    const action = await act(id, { type: 'resize', size_gigabytes: 50 });
    expect(action).toMatchObject({ status: 'errored', message: expect.stringMatching(/missing.*doctor/) });
    expect(await held(id)).toBeUndefined();
    await back();
  });

  it('keeps no droplet that has it from booting', async () => {
    const id = await made();
    const on = await droplet({ volumes: [id] });
    const back = await atoll.host.loseVolume(id);
    await sweep();
    await until(async () => (await rowOf(id)).missing_at !== null);
    for (const type of ['power_off', 'power_on', 'reboot']) {
      const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${on}/actions`, { type });
      expect((await ended(atoll.api, action.id)).status).toBe('completed');
    }
    expect(await getDroplet(atoll.api, on)).toMatchObject({ status: 'active', volume_ids: [id] });
    expect(await held(id)).toBeUndefined();
    // It can be given up.
    expect((await act(id, { type: 'detach' })).status).toBe('completed');
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${id}`);
    expect(await lost()).not.toContain(id);
    await back();
  });

  it('is not made anew by a loop that died before it wrote down that it was made', async () => {
    const id = await made();
    const { db } = atoll.database.store;
    await db.updateTable('volumes').set({ made_at: null }).where('id', '=', id).execute();
    await look(id);
    await until(async () => (await rowOf(id)).made_at !== null);
    expect(atoll.host.readVolume(id)).toBe('mine');
  });
});

describe('a host whose disk with the volumes is not mounted', () => {
  it('is waited for: nothing errs, nothing is made, nothing looks lost', async () => {
    const [id, on] = [await made(), await droplet()];
    atoll.host.setVolumesAway(true);
    const { id: fresh } = await create();
    const { action } = await atoll.api.expect(202, 'POST', `/v2/volumes/${id}/actions`, {
      type: 'attach',
      droplet_id: on,
    });
    await expect(atoll.host.volumes()).rejects.toMatchObject({ kind: 'unavailable' });
    await sweep();
    const { db } = atoll.database.store;
    for (const each of [fresh, String(on)])
      await until(async () => {
        const row = await db
          .selectFrom('reconcile')
          .select('last_error')
          .where('id', '=', each)
          .executeTakeFirst();
        return row?.last_error?.includes('away') === true;
      });
    expect((await actionOf(action.id)).status).toBe('in-progress');
    expect((await rowOf(id)).missing_at).toBeNull();
    atoll.host.setVolumesAway(false);
    expect((await ended(atoll.api, action.id)).status).toBe('completed');
    expect(atoll.host.readVolume(id)).toBe('mine');
    await until(async () => (await held(fresh)) !== undefined);
  });

  it('keeps no control plane that starts meanwhile from serving all else', async () => {
    const id = await made();
    atoll.host.setVolumesAway(true);
    await atoll.restart();
    await droplet();
    expect((await rowOf(id)).missing_at).toBeNull();
    atoll.host.setVolumesAway(false);
  });

  it.each(['exhausted', 'failed'] as const)(
    'that answers %s makes nothing else of a volume',
    async (kind) => {
      const [id, on] = [await made(), await droplet()];
      const mend = atoll.host.fail('ensureVolume', new EngineError(kind, 'EIO: i/o error'), Infinity);
      const action = await act(id, { type: 'attach', droplet_id: on });
      expect(action.status).toBe('errored');
      expect((await rowOf(id)).missing_at).toBeNull();
      expect(atoll.host.readVolume(id)).toBe('mine');
      mend();
      expect((await act(id, { type: 'attach', droplet_id: on })).status).toBe('completed');
    },
  );
});

describe('a volume snapshot whose bytes are missing', () => {
  it('is no empty volume: what is made from it is refused, or waits until they are back', async () => {
    const volume = await made();
    const snapshot_id = await snapshotOf(volume);
    const back = await atoll.host.loseVolume(snapshot_id);
    // Nobody knows yet.
    const early = await create({ snapshot_id });
    await until(async () => (await lost()).includes(snapshot_id));
    expect(await held(early.id)).toBeUndefined();
    const body = { ...volumeOrder, name: newName(), snapshot_id };
    expect(await refused(422, '/v2/volumes', body)).toMatch(/^The bytes of this snapshot have been missing/);
    await back();
    await look(snapshot_id, 'volume_snapshot');
    await look(early.id);
    await until(async () => (await held(early.id)) !== undefined);
    expect(atoll.host.readVolume(early.id)).toBe('mine');
    await until(async () => !(await lost()).includes(snapshot_id));
    await create({ snapshot_id });
  });

  it('is found by the sweep, and never taken again of a volume that has changed since', async () => {
    const volume = await made();
    const snapshot = await snapshotOf(volume);
    const back = await atoll.host.loseVolume(snapshot);
    await atoll.host.writeVolume(volume, 'changed');
    await sweep();
    await until(async () => (await lost()).includes(snapshot));
    expect((await atoll.host.volumes()).snapshots).not.toContain(snapshot);
    await back();
    await look(snapshot, 'volume_snapshot');
    await until(async () => !(await lost()).includes(snapshot));
  });

  it('can be deleted, though a volume that was made from it has lost its bytes', async () => {
    const snapshot_id = await snapshotOf(await made());
    const copy = await made({ snapshot_id });
    const back = await atoll.host.loseVolume(copy);
    await atoll.api.expect(204, 'DELETE', `/v2/snapshots/${snapshot_id}`);
    await until(async () => !(await atoll.host.volumes()).snapshots.includes(snapshot_id));
    expect(await held(copy)).toBeUndefined();
    await back();
  });
});

describe('an image whose bytes are missing', () => {
  const sweepOfImages = () => sweep(['kept disk', 'imported image']);
  const missing = async () => (await lost()).map(Number);

  async function taken(): Promise<number> {
    const id = await droplet();
    const body = { type: 'snapshot', name: newName() };
    const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
    expect((await ended(atoll.api, action.id)).status).toBe('completed');
    const { snapshots } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/snapshots`);
    return snapshots[0].id;
  }

  it('errs the create that finds it out, is refused after the sweep, and is used when it is back', async () => {
    const image = await taken();
    const kept = (await atoll.engine.listSnapshots()).find(({ urn }) => urn === `do:image:${image}`)!;
    await atoll.engine.deleteSnapshot(kept.name);
    const { droplet: failed, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', {
      ...order,
      image,
    });
    const errored = await ended(atoll.api, links.actions[0].id);
    expect(errored).toMatchObject({ status: 'errored', message: expect.stringMatching(/missing.*doctor/) });
    expect((await atoll.engine.list()).map(({ urn }) => urn)).not.toContain(`do:droplet:${failed.id}`);
    await sweepOfImages();
    await until(async () => (await missing()).includes(image));
    expect(await refused(422, '/v2/droplets', { ...order, image })).toMatch(/^image \d+ has been missing/);
    expect((await atoll.engine.listSnapshots()).map(({ name }) => name)).not.toContain(kept.name);
    const on = `do:droplet:${await droplet()}`;
    const machine = (await atoll.engine.list()).find(({ urn }) => urn === on)!;
    await atoll.engine.snapshotDisk(machine.name, kept);
    await sweepOfImages();
    await until(async () => !(await missing()).includes(image));
    const again = await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, image });
    expect((await ended(atoll.api, again.links.actions[0].id)).status).toBe('completed');
  });
});
