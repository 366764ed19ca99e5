/** What goes wrong in a real engine, seen through the API: no boot, no room, no daemon. */
import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AtollOnIncus, startAtollOnIncus } from '../support/atoll-on-incus.ts';
import { ended, getDroplet, order, type SeenAction } from '../support/droplets.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { createVolume } from '../support/volumes.ts';

const run = promisify(execFile);
/** A daemon that could not bring a network up when it started tries again after a minute. */
const deadlineMs = 120_000;
/** Looking takes CPU time from what is looked at. */
const lookMs = 50;
const broken = 'debian-13-x64';
const large = { vcpus: 2, memoryMib: 2048, diskGib: 60 };

let lab: AtollOnIncus;
const api = () => lab.atoll.api;
const get = (id: number) => getDroplet(api(), id);
const end = (action: number): Promise<SeenAction> => ended(api(), action, deadlineMs, lookMs);
const begin = async (id: number, body: object): Promise<number> =>
  (await api().expect(201, 'POST', `/v2/droplets/${id}/actions`, body)).action.id;
const act = async (id: number, body: object) => end(await begin(id, body));
const beginAttach = async (volume: string, droplet_id: number): Promise<number> => {
  const attach = { type: 'attach', droplet_id };
  return (await api().expect(202, 'POST', `/v2/volumes/${volume}/actions`, attach)).action.id;
};
const orderOne = async (extra: object = {}) => {
  const { droplet, links } = await api().expect(202, 'POST', '/v2/droplets', { ...order, ...extra });
  return { id: droplet.id as number, action: await end(links.actions[0].id) };
};
async function running() {
  const { id, action } = await orderOne();
  expect(action.status).toBe('completed');
  return get(id);
}
const state = (id: number) => lab.compute.get(`droplet-${id}`);

/** Waits until nothing of these names is in Incus. */
const gone = (...names: string[]) =>
  until(
    async () => !(await lab.everything()).some((name) => names.includes(name)),
    deadlineMs,
    `${names.join(', ')} are gone`,
    lookMs,
  );

/** Destroys a droplet and its snapshots, and waits until nothing is left of them. */
async function destroy(id: number) {
  const { snapshot_ids: images } = await get(id);
  for (const image of images) await api().expect(204, 'DELETE', `/v2/images/${image}`);
  await api().expect(204, 'DELETE', `/v2/droplets/${id}`);
  await gone(`droplet-${id}`, ...images.map((image: number) => `image-${image}`));
}

describe('on Incus', unless(await whyNoIncus()), () => {
  beforeAll(async () => {
    lab = await startAtollOnIncus();
  });
  afterAll(() => lab?.close());

  // It comes first: what is deleted gives its room back in the background, some time later.
  describe('a pool that is full', () => {
    const ballast = () => join(lab.incus.directory, 'storage-pools', lab.incus.pool, 'ballast');
    let files = 0;
    /** Takes all the room of the pool, also what has become free since the last time. */
    async function fill(): Promise<void> {
      await mkdir(ballast(), { recursive: true });
      for (let bytes = 2 ** 30; bytes >= 4096; files++) {
        const file = join(ballast(), String(files));
        try {
          await run('fallocate', ['--length', String(bytes), file]);
        } catch {
          await rm(file, { force: true });
          bytes /= 2;
        }
      }
    }
    const empty = () => rm(ballast(), { recursive: true, force: true });
    afterEach(empty);
    async function expectNoRoom(id: number, body: object) {
      await fill();
      expect(await act(id, body)).toMatchObject(noRoom);
    }
    const noRoom = { status: 'errored', message: expect.stringContaining('no room') };

    it('is told by the action, and harms no droplet; with room again all can be done', async () => {
      const { id } = await running();
      const { id: off } = await running();
      await act(off, { type: 'power_off' });
      await act(id, { type: 'snapshot', name: 'before' });
      const [image] = (await get(id)).snapshot_ids;
      await lab.write(id, '/root/data', 'whole');
      const pid = await pidOf(id);
      const volume = await createVolume(api());

      for (const source of ['debian-12-x64', image]) {
        await fill();
        const made = await orderOne({ image: source });
        expect(made.action).toMatchObject(noRoom);
        await gone(`droplet-${made.id}`);
        await api().expect(204, 'DELETE', `/v2/droplets/${made.id}`);
      }
      await expectNoRoom(id, { type: 'snapshot', name: 'during' });
      await expectNoRoom(id, { type: 'rebuild', image: 'debian-12-x64' });
      await expectNoRoom(id, { type: 'restore', image });
      expect(await get(id)).toMatchObject({ status: 'active', locked: false, snapshot_ids: [image] });
      expect(await lab.everything()).toEqual([`droplet-${id}`, `droplet-${off}`, `image-${image}`]);
      expect(await lab.read(id, '/root/data')).toBe('whole');
      expect(await pidOf(id)).toBe(pid);
      // These take no room.
      expect((await act(off, { type: 'resize', size: 's-2vcpu-2gb', disk: true })).status).toBe('completed');
      expect((await state(off))?.size).toEqual(large);
      expect((await end(await beginAttach(volume.id, id))).status).toBe('completed');
      expect((await state(id))?.volumes).toEqual([volume.id]);

      await empty();
      expect((await act(off, { type: 'power_on' })).status).toBe('completed');
      expect((await act(id, { type: 'snapshot', name: 'after' })).status).toBe('completed');
      expect((await act(id, { type: 'restore', image })).status).toBe('completed');
      const after = await orderOne({ image });
      expect(after.action.status).toBe('completed');
      for (const each of [id, off, after.id]) await destroy(each);
    });
  });

  // Each takes as long as the tries that the loop makes: so they go side by side.
  describe.concurrent('a droplet that does not boot', () => {
    /** What it has printed, as it is kept for the operator. */
    async function kept(id: number): Promise<string | null> {
      const { db } = lab.atoll.database.store;
      const row = db.selectFrom('droplets').select('console').where('id', '=', id);
      return (await row.executeTakeFirstOrThrow()).console;
    }

    it('leaves nothing in the engine, where it is new', async () => {
      const { id, action } = await orderOne({ image: broken });
      expect(action.status).toBe('errored');
      expect(await get(id)).toMatchObject({ status: 'off', locked: false });
      expect(await kept(id)).toContain('no root filesystem');
      await gone(`droplet-${id}`);
      await api().expect(204, 'DELETE', `/v2/droplets/${id}`);
    });

    it('is off where its init has gone, and boots when that is back', async () => {
      const { id } = await running();
      const init = await lab.read(id, '/sbin/init');
      await act(id, { type: 'power_off' });
      await lab.incus.client.request('DELETE', `${await lab.path(id)}/files?path=/sbin/init`);
      expect((await act(id, { type: 'power_on' })).status).toBe('errored');
      expect(await get(id)).toMatchObject({ status: 'off', locked: false });
      expect(await kept(id)).toContain('Failed to exec "/sbin/init"');
      await lab.write(id, '/sbin/init', init);
      expect((await act(id, { type: 'power_on' })).status).toBe('completed');
      expect((await state(id))?.state).toBe('running');
      await destroy(id);
    });

    it('has its new disk after a rebuild, and can be rebuilt again', async () => {
      const { id, networks } = await running();
      expect((await act(id, { type: 'rebuild', image: broken })).status).toBe('errored');
      expect(await get(id)).toMatchObject({ status: 'off', networks, image: { slug: broken } });
      expect((await act(id, { type: 'rebuild', image: 'debian-12-x64' })).status).toBe('completed');
      expect(await get(id)).toMatchObject({ status: 'active', networks, image: { slug: 'debian-12-x64' } });
      await destroy(id);
    });
  });

  describe('a daemon that is killed', () => {
    /** Kills it `moment` after `ask` has begun something, and starts it again. */
    async function killed(moment: () => Promise<unknown>, ask: () => Promise<number>): Promise<void> {
      const action = await ask();
      await moment();
      await lab.incus.kill();
      await lab.incus.restart();
      expect(await end(action)).toMatchObject({ status: 'completed' });
    }
    const after = (ms: number) => () => delay(ms);
    /** Until the new disk of a droplet stands beside the old one. */
    const twoDisks = (id: number) => () =>
      until(
        async () => (await lab.everything()).filter((name) => name === `droplet-${id}`).length === 2,
        deadlineMs,
        'there are two disks',
      );

    it('in a snapshot: it is kept, once and whole', async () => {
      const { id } = await running();
      await lab.write(id, '/root/data', 'whole');
      const pid = await pidOf(id);
      await killed(after(60), () => begin(id, { type: 'snapshot', name: 's' }));
      expect(await pidOf(id)).toBe(pid);
      const { snapshot_ids, status } = await get(id);
      expect(snapshot_ids).toHaveLength(1);
      expect(status).toBe('active');
      expect(await lab.everything()).toEqual([`droplet-${id}`, `image-${snapshot_ids[0]}`]);
      const copy = await orderOne({ image: snapshot_ids[0] });
      expect(await lab.read(copy.id, '/root/data')).toBe('whole');
      for (const each of [id, copy.id]) await destroy(each);
    });

    it('in an attach, and in a resize: what was asked for is there', async () => {
      const { id } = await running();
      const { id: volume } = await createVolume(api());
      const pid = await pidOf(id);
      await killed(after(25), () => beginAttach(volume, id));
      expect(await pidOf(id)).toBe(pid);
      expect((await state(id))?.volumes).toEqual([volume]);
      await act(id, { type: 'power_off' });
      await killed(after(25), () => begin(id, { type: 'resize', size: 's-2vcpu-2gb', disk: true }));
      expect(await state(id)).toMatchObject({ state: 'stopped', size: large, volumes: [volume] });
      await destroy(id);
    });

    it('in a rebuild, and in a restore: the droplet has its new disk', async () => {
      const { id } = await running();
      await lab.write(id, '/root/data', 'kept');
      await act(id, { type: 'snapshot', name: 's' });
      const [image] = (await get(id)).snapshot_ids;
      await killed(twoDisks(id), () => begin(id, { type: 'rebuild', image: 'debian-12-x64' }));
      await expect(lab.read(id, '/root/data')).rejects.toThrow(/not found/i);
      await killed(after(20), () => begin(id, { type: 'restore', image }));
      expect(await lab.read(id, '/root/data')).toBe('kept');
      expect(await get(id)).toMatchObject({ status: 'active', locked: false });
      expect(await lab.everything()).toEqual([`droplet-${id}`, `image-${image}`]);
      await destroy(id);
    });
  });

  /** The process that is a droplet's init: the same as long as it was not started again. */
  async function pidOf(id: number): Promise<number> {
    return (await lab.incus.client.request<{ pid: number }>('GET', `${await lab.path(id)}/state`)).pid;
  }
});
