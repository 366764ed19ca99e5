/** What happens by the clock, on real machines: backups in their windows, and pools that scale by load. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DrivenClock, drivenClock } from '../../src/base/clock.ts';
import { execute } from '../../src/engine/compute/incus/exec.ts';
import { type AtollOnIncus, startAtollOnIncus } from '../support/atoll-on-incus.ts';
import { order } from '../support/droplets.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { days, hours, minutes, pass as passOn, seldom } from '../support/time.ts';
import { until } from '../support/until.ts';

const deadlineMs = 60_000;

describe('on Incus', unless(await whyNoIncus()), () => {
  let clock: DrivenClock;
  let lab: AtollOnIncus;
  beforeAll(async () => {
    clock = drivenClock(new Date('2026-01-01T10:00:00Z'));
    lab = await startAtollOnIncus({ clock, ...seldom });
  });
  afterAll(() => lab?.close());

  const api = () => lab.atoll.api;
  const pass = (ms: number) => passOn(lab.atoll.database, clock, ms, deadlineMs);
  /** Long enough for what an engine that is busy has put off. */
  const settle = () => pass(10_000);
  async function act(id: number, body: object) {
    const { action } = await api().expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
    await settle();
    expect((await api().expect(200, 'GET', `/v2/actions/${action.id}`)).action.status).toBe('completed');
  }

  it('a backup is taken in its window with the bytes of then, and kept for seven days', async () => {
    const daily = { backups: true, backup_policy: { plan: 'daily', hour: 4 } };
    const { droplet } = await api().expect(202, 'POST', '/v2/droplets', { ...order, ...daily });
    await settle();
    const id: number = droplet.id;
    const backups = async (): Promise<{ id: number; created_at: string }[]> =>
      (await api().expect(200, 'GET', `/v2/droplets/${id}/backups`)).backups;
    await lab.write(id, '/root/data', 'before the first');
    await pass(hours(17));
    expect(await backups()).toEqual([]);
    await pass(hours(5));
    const [first] = await backups();
    expect(first?.created_at).toMatch(/^2026-01-02T0[4-7]:/);
    await lab.write(id, '/root/data', 'after it');
    await act(id, { type: 'restore', image: first?.id });
    expect(await lab.read(id, '/root/data')).toBe('before the first');

    await pass(days(8));
    const kept = await backups();
    expect(kept).toHaveLength(7);
    expect(kept.map((backup) => backup.id)).not.toContain(first?.id);
    const names = kept.map((backup) => `image-${backup.id}`);
    expect(await lab.everything()).toEqual([`droplet-${id}`, ...names].sort());
    await api().expect(204, 'DELETE', `/v2/droplets/${id}`);
    await settle();
  });

  it('a pool grows where its members are busy, and shrinks when they are not', async () => {
    const { autoscale_pool: pool } = await api().expect(202, 'POST', '/v2/droplets/autoscale', {
      name: 'web',
      config: { min_instances: 1, max_instances: 2, target_cpu_utilization: 0.05, cooldown_minutes: 5 },
      droplet_template: { region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64', ssh_keys: [] },
    });
    const path = `/v2/droplets/autoscale/${pool.id}`;
    const members = async (): Promise<{ droplet_id: number }[]> =>
      (await api().expect(200, 'GET', `${path}/members`)).droplets;
    await pass(minutes(7));
    const [member] = await members();
    const id = member?.droplet_id ?? 0;
    expect(await members()).toHaveLength(1);

    await burn(id, 5);
    await pass(minutes(1));
    expect(await members()).toHaveLength(2);
    expect((await lab.compute.list()).map(({ state }) => state)).toEqual(['running', 'running']);

    await pass(minutes(7));
    expect(await members()).toHaveLength(1);
    const { history } = await api().expect(200, 'GET', `${path}/history`);
    expect(history.map(({ reason, status }: Record<string, string>) => `${reason} ${status}`)).toEqual([
      'SCALE_DOWN success',
      'SCALE_UP success',
      'CONFIGURATION_CHANGE success',
    ]);
    await api().expect(202, 'DELETE', `${path}/dangerous`, undefined, { 'x-dangerous': 'true' });
    await settle();
    expect(await lab.compute.list()).toEqual([]);
  });

  /** Has a droplet use so many seconds of CPU time, all within one moment of the driven clock. */
  async function burn(id: number, seconds: number): Promise<void> {
    const used = async () => (await lab.compute.usage(`droplet-${id}`))?.cpuSeconds ?? 0;
    const before = await used();
    const script = '(sleep 60; : > /root/enough) & while ! [ -e /root/enough ]; do :; done';
    const burning = execute(lab.incus.client, await lab.path(id), ['sh', '-c', script]);
    await until(async () => (await used()) >= before + seconds, deadlineMs, 'the droplet has been busy', 250);
    await lab.write(id, '/root/enough', '');
    await burning;
  }
});
