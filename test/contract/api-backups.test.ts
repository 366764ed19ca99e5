/** Backups over weeks, on a driven clock. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DrivenClock, drivenClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { getDroplet, order } from '../support/droplets.ts';
import { days, hours, idle, minutes, pass as passOn, seldom } from '../support/time.ts';

/** 1 January 2026 is a Thursday. */
let clock: DrivenClock;
let atoll: TestAtoll;
async function begin() {
  clock = drivenClock(new Date('2026-01-01T10:00:00Z'));
  atoll = await startAtoll({ clock, ...seldom });
}

const pass = (ms: number) => passOn(atoll.database, clock, ms);

async function create(extra: object, api = atoll.api): Promise<number> {
  const { droplet } = await api.expect(202, 'POST', '/v2/droplets', { ...order, ...extra });
  await idle(atoll.database, clock);
  return droplet.id;
}
async function act(id: number, body: object) {
  const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
  await idle(atoll.database, clock);
  return action.id as number;
}
const backupsOf = async (id: number): Promise<{ id: number; created_at: string; name: string }[]> =>
  (await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/backups?per_page=200`)).backups;
const actionsOf = async (id: number): Promise<{ type: string; status: string }[]> =>
  (await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/actions?per_page=200`)).actions;
const policyOf = async (id: number) =>
  (await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/backups/policy`)).policy;
const weekly = { plan: 'weekly', weekday: 'SUN', hour: 20 };
const daily = { plan: 'daily', hour: 4 };

describe('a backup policy', () => {
  beforeAll(begin);
  afterAll(() => atoll.close());

  it('is daily unless it says otherwise, and shows the next window', async () => {
    const id = await create({ backups: true });
    const window = { start: '2026-01-02T00:00:00Z', end: '2026-01-02T04:00:00Z' };
    expect(await policyOf(id)).toEqual({
      droplet_id: id,
      backup_enabled: true,
      backup_policy: { plan: 'daily', hour: 0, window_length_hours: 4, retention_period_days: 7 },
      next_backup_window: window,
    });
    const droplet = await getDroplet(atoll.api, id);
    expect(droplet.next_backup_window).toEqual(window);
    expect(droplet.features).toContain('backups');
  });

  it('is turned on, changed and turned off by actions', async () => {
    const id = await create({});
    expect(await policyOf(id)).toEqual({ droplet_id: id, backup_enabled: false });
    await act(id, { type: 'enable_backups', backup_policy: weekly });
    expect((await policyOf(id)).backup_policy).toEqual({
      ...weekly,
      window_length_hours: 4,
      retention_period_days: 28,
    });
    await act(id, { type: 'change_backup_policy', backup_policy: daily });
    expect((await policyOf(id)).next_backup_window.start).toBe('2026-01-02T04:00:00Z');
    await act(id, { type: 'disable_backups' });
    expect(await policyOf(id)).toEqual({ droplet_id: id, backup_enabled: false });
    const droplet = await getDroplet(atoll.api, id);
    expect(droplet.next_backup_window).toBeNull();
    expect(droplet.features).not.toContain('backups');
  });

  it('of all droplets is a map by their ids, in pages', async () => {
    const { api } = await atoll.newTeam();
    const on = await create({ backups: true, backup_policy: weekly }, api);
    const off = await create({}, api);
    const all = await api.expect(200, 'GET', '/v2/droplets/backups/policies');
    expect(Object.keys(all.policies)).toEqual([String(on), String(off)]);
    expect(all.policies[off]).toEqual({ droplet_id: off, backup_enabled: false });
    expect(all.meta.total).toBe(2);
    const page = await api.expect(200, 'GET', '/v2/droplets/backups/policies?per_page=1&page=2');
    expect(Object.keys(page.policies)).toEqual([String(off)]);
    expect(page.links.pages.prev).toContain('page=1');
  });

  it('can be daily or weekly', async () => {
    const { supported_policies } = await atoll.api.expect(
      200,
      'GET',
      '/v2/droplets/backups/supported_policies',
    );
    expect(supported_policies.map(({ name }: { name: string }) => name)).toEqual(['weekly', 'daily']);
  });

  it('is refused where there is none like it, and invisible to others', async () => {
    const bad = { ...order, backups: true, backup_policy: { plan: 'weekly', hour: 3 } };
    const { message } = await atoll.api.expect(422, 'POST', '/v2/droplets', bad);
    expect(message).toContain('backup_policy.hour');
    const id = await create({ backups: true });
    const other = await atoll.newTeam();
    await other.api.expect(404, 'GET', `/v2/droplets/${id}/backups/policy`);
    await other.api.expect(404, 'GET', `/v2/droplets/${id}/backups`);
    await other.api.expect(404, 'GET', `/v2/droplets/${id}/snapshots`);
    expect((await other.api.expect(200, 'GET', '/v2/droplets/backups/policies')).policies).toEqual({});
  });
});

describe('backups', () => {
  beforeEach(begin);
  afterEach(() => atoll.close());

  it('are taken daily and kept for seven days', async () => {
    const id = await create({ backups: true, backup_policy: daily });
    await pass(days(5));
    expect((await backupsOf(id)).map(({ created_at }) => created_at.slice(0, 10))).toEqual([
      '2026-01-02',
      '2026-01-03',
      '2026-01-04',
      '2026-01-05',
      '2026-01-06',
    ]);
    const [first] = await backupsOf(id);
    expect(first).toMatchObject({ name: 'web-1 2026-01-02', type: 'backup', min_disk_size: 25 });
    expect(first?.created_at).toMatch(/^2026-01-02T0[45]:/);
    await pass(days(25));
    const kept = (await backupsOf(id)).map(({ created_at }) => created_at.slice(0, 10));
    expect(kept).toHaveLength(7);
    expect(kept.at(-1)).toBe('2026-01-31');
    const droplet = await getDroplet(atoll.api, id);
    expect(droplet.backup_ids).toEqual((await backupsOf(id)).map((backup) => backup.id));
    expect(droplet.next_backup_window.start).toBe('2026-02-01T04:00:00Z');
    expect((await actionsOf(id)).filter(({ type }) => type === 'backup')).toHaveLength(30);
  });

  it('are taken weekly and kept for 28 days, also of a droplet that is off', async () => {
    const id = await create({ backups: true, backup_policy: weekly });
    await act(id, { type: 'power_off' });
    await pass(days(70));
    const backups = await backupsOf(id);
    expect(backups.map(({ created_at }) => created_at.slice(0, 10))).toEqual([
      '2026-02-15',
      '2026-02-22',
      '2026-03-01',
      '2026-03-08',
    ]);
    expect((await getDroplet(atoll.api, id)).status).toBe('off');
  });

  it('outlive the policy, for as long as they would have been kept, and no longer', async () => {
    const id = await create({ backups: true, backup_policy: daily });
    await pass(days(3));
    await act(id, { type: 'disable_backups' });
    await pass(days(20));
    expect(await backupsOf(id)).toHaveLength(3);
    await pass(days(7));
    expect(await backupsOf(id)).toHaveLength(1);
    await pass(days(1));
    expect(await backupsOf(id)).toEqual([]);
    // Its droplet shows it no more. Nothing else has become of that for a day, and older events are gone.
    const { rows } = await atoll.database.store.pool.query('select change from events where urn = $1', [
      `do:droplet:${id}`,
    ]);
    expect(rows).toContainEqual({ change: 'changed' });
  });

  it('go with their droplet', async () => {
    const id = await create({ backups: true, backup_policy: daily });
    await pass(days(2));
    const [backup] = await backupsOf(id);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await idle(atoll.database, clock);
    await atoll.api.expect(404, 'GET', `/v2/images/${backup?.id}`);
    await pass(days(10));
    const left = await atoll.database.store.db
      .selectFrom('images')
      .select('id')
      .where('droplet_id', '=', id)
      .where('deleted_at', 'is', null)
      .execute();
    expect(left).toEqual([]);
  });

  it('that fail err their action, and the next window tries again', async () => {
    const id = await create({ backups: true, backup_policy: daily });
    atoll.world.fail('snapshotDisk', new EngineError('exhausted', 'no space'));
    await pass(days(1));
    expect(await backupsOf(id)).toEqual([]);
    expect((await actionsOf(id))[0]).toMatchObject({ type: 'backup', status: 'errored' });
    expect(await getDroplet(atoll.api, id)).toMatchObject({ status: 'active', locked: false });
    await pass(days(1));
    expect(await backupsOf(id)).toHaveLength(1);
  });

  it('wait for a droplet that is busy', async () => {
    const id = await create({ backups: true, backup_policy: daily });
    // The window opens at 4:00; a backup begins within its first two hours.
    await pass(hours(17) + minutes(59));
    atoll.world.unavailable(true);
    await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, { type: 'power_off' });
    // Longer than until its turn, and less than an action waits for an engine.
    await pass(minutes(50));
    expect(await backupsOf(id)).toEqual([]);
    atoll.world.unavailable(false);
    await pass(minutes(2));
    expect((await backupsOf(id))[0]?.created_at).toMatch(/^2026-01-02T04:5/);
    expect((await getDroplet(atoll.api, id)).status).toBe('off');
  });

  it('are left out where the whole window passes by', async () => {
    const id = await create({ backups: true, backup_policy: daily });
    atoll.plane.kill();
    await clock.advance(hours(23));
    await atoll.restart();
    await pass(hours(1));
    expect(await backupsOf(id)).toEqual([]);
    expect((await policyOf(id)).next_backup_window.start).toBe('2026-01-03T04:00:00Z');
  });

  it('are listed apart from snapshots, and those apart from them', async () => {
    const id = await create({ backups: true, backup_policy: daily });
    await act(id, { type: 'snapshot', name: 'mine' });
    await pass(days(1));
    const { snapshots, meta } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/snapshots`);
    expect(snapshots).toMatchObject([{ name: 'mine', type: 'snapshot' }]);
    expect(meta.total).toBe(1);
    expect(await backupsOf(id)).toHaveLength(1);
  });
});
