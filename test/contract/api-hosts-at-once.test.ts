/** What a host has room for, asked for by many requests at the same time: never more than there is, and no waiting for it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, order } from '../support/droplets.ts';
import { droplets, hostOf } from '../support/hosts.ts';
import { watchQueries } from '../support/queries.ts';
import { createVolume, newName, volumeOrder } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const { has: hostHas, box, promised, empty } = hostOf(() => atoll);

describe('a hundred orders at once', () => {
  it.each([
    ['all near to full', 2560, 10, 0],
    ['of which some are far from it', 20_480, 80, 40],
  ])('%s never get more than there is', async (_what, memoryMib, room, before) => {
    await hostHas({ memoryMib });
    const { api } = await atoll.newTeam();
    for (let made = 0; made < before; made += 10)
      await api.expect(202, 'POST', '/v2/droplets', {
        ...order,
        name: undefined,
        names: Array.from({ length: 10 }, (_, n) => `w${n}`),
      });
    const sent = Array.from({ length: 100 }, () => api.call('POST', '/v2/droplets', order));
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(room - before);
    expect(statuses.filter((status) => status === 422)).toHaveLength(100 - (room - before));
    expect(await promised()).toEqual(droplets(room));
    await empty(api);
  });

  it('droplets and volumes and resizes: no deadlock, and no more than there is', async () => {
    await hostHas({ memoryMib: 4096, poolGib: 40, volumesGib: 10 });
    const { api } = await atoll.newTeam();
    const first = await Promise.all(Array.from({ length: 4 }, () => createDroplet(api)));
    await Promise.all(
      first.map(async ({ id }) => {
        const begun = await api.expect(201, 'POST', `/v2/droplets/${id}/actions`, { type: 'power_off' });
        await ended(api, begun.action.id);
      }),
    );
    const made = await createVolume(api);
    const watched = watchQueries(atoll.database);
    const answers = await Promise.all([
      ...Array.from({ length: 12 }, () => api.call('POST', '/v2/droplets', { ...order, volumes: [made.id] })),
      ...Array.from({ length: 12 }, () => api.call('POST', '/v2/droplets', order)),
      ...Array.from({ length: 12 }, () =>
        api.call('POST', '/v2/volumes', { ...volumeOrder, name: newName() }),
      ),
      ...Array.from({ length: 6 }, (_, n) =>
        api.call('POST', `/v2/volumes/${made.id}/actions`, { type: 'resize', size_gigabytes: 30 + n }),
      ),
      ...first.map(({ id }) =>
        api.call('POST', `/v2/droplets/${id}/actions`, { type: 'resize', size: 's-1vcpu-2gb', disk: true }),
      ),
    ]);
    for (const { status } of answers) expect([201, 202, 422]).toContain(status);
    expect(watched.deadlocks()).toBe(0);
    const now = await box();
    expect(now.shared_mib).toBeLessThanOrEqual(4 * 4096);
    expect(now.disk_gib).toBeLessThanOrEqual(400);
    expect(now.volume_gib).toBeLessThanOrEqual(100);
    await empty(api);
  });
});

it('far from full, no create waits for another’s commit', async () => {
  await hostHas({ memoryMib: 1_000_000 });
  const held = await atoll.database.store.pool.connect();
  try {
    await held.query('begin');
    const { rowCount } = await held.query('select * from hold_room(0, 1024, 25, 0, false)');
    expect(rowCount).toBe(1);
    await atoll.api.expect(202, 'POST', '/v2/droplets', order);
  } finally {
    await held.query('rollback');
    held.release();
  }
});
