/** A wait says for what and until when, does not spin, and comes to an end. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DrivenClock, drivenClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { getDroplet, order } from '../support/droplets.ts';
import { hours, idle, minutes, pass as passOn, seldom } from '../support/time.ts';
import { volumeOrder } from '../support/volumes.ts';

let clock: DrivenClock;
let atoll: TestAtoll;
beforeEach(async () => {
  clock = drivenClock();
  atoll = await startAtoll({ clock, ...seldom });
});
afterEach(() => atoll.close());

const pass = (ms: number) => passOn(atoll.database, clock, ms, 30_000);
const settled = () => idle(atoll.database, clock);
async function create(): Promise<number> {
  const { droplet } = await atoll.api.expect(202, 'POST', '/v2/droplets', order);
  await settled();
  return droplet.id;
}
const act = (id: number, body: object) =>
  atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body).then(({ action }) => action.id as number);
const action = async (id: number) => (await atoll.api.expect(200, 'GET', `/v2/actions/${id}`)).action;
const row = (kind: string, id: string | number) =>
  atoll.database.store.db
    .selectFrom('reconcile')
    .selectAll()
    .where('kind', '=', kind)
    .where('id', '=', String(id))
    .executeTakeFirst();
const runsOf = (kind: string) => atoll.plane.metrics.byKind().get(kind)?.runs;

describe('an engine that is away', () => {
  it('is waited for, which says so', async () => {
    const id = await create();
    atoll.world.unavailable(true);
    const off = await act(id, { type: 'power_off' });
    await pass(minutes(45));
    expect((await action(off)).status).toBe('in-progress');
    const waiting = await row('droplet', id);
    expect(waiting?.waiting_for).toMatch(/^unavailable: /);
    expect(Number(waiting?.waiting_until) - Number(waiting?.waiting_since)).toBe(hours(1));
    // With growing pauses: 45 minutes are 90 of the longest.
    expect(runsOf('droplet')?.waiting).toBeLessThan(130);
    atoll.world.unavailable(false);
    await pass(minutes(1));
    expect((await action(off)).status).toBe('completed');
    expect(await row('droplet', id)).toMatchObject({ waits: 0, waiting_for: null, waiting_until: null });
  });

  it('is given up after an hour: the action errs and says why, and the droplet is unharmed', async () => {
    const id = await create();
    await act(id, { type: 'power_off' });
    await settled();
    atoll.world.unavailable(true);
    const resize = await act(id, { type: 'resize', size: 's-2vcpu-2gb' });
    await pass(minutes(62));
    expect(await action(resize)).toMatchObject({
      status: 'errored',
      message: expect.stringMatching(/^The engine did not answer for too long/),
    });
    expect(await getDroplet(atoll.api, id)).toMatchObject({ locked: false, size_slug: 's-1vcpu-1gb' });
    atoll.world.unavailable(false);
    // A new wish waits for its own time.
    const on = await act(id, { type: 'power_on' });
    await pass(minutes(1));
    expect((await action(on)).status).toBe('completed');
  });

  it('leaves a droplet that was to be destroyed to be destroyed once it is back', async () => {
    const id = await create();
    atoll.world.unavailable(true);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await pass(hours(2));
    atoll.world.unavailable(false);
    await pass(minutes(1));
    expect(await atoll.compute.get(`droplet-${id}`)).toBeUndefined();
  });
});

it('what something else holds is given up after ten minutes', async () => {
  const id = await create();
  atoll.world.fail('stop', new EngineError('busy', 'held'), 10_000);
  const off = await act(id, { type: 'power_off' });
  await pass(minutes(9));
  expect((await action(off)).status).toBe('in-progress');
  // Of what is held for so long nobody asks five times a second: 9 minutes are 108 of the longest pauses.
  expect(runsOf('droplet')?.waiting).toBeLessThan(160);
  await pass(minutes(2));
  expect(await action(off)).toMatchObject({
    status: 'errored',
    message: expect.stringMatching(/^Something else kept this in use/),
  });
  expect(await getDroplet(atoll.api, id)).toMatchObject({ status: 'active', locked: false });
});

it('a deleted snapshot whose volume cannot be made does not look at the host all the time', async () => {
  const { volume } = await atoll.api.expect(201, 'POST', '/v2/volumes', volumeOrder);
  await settled();
  const snapshotsPath = `/v2/volumes/${volume.id}/snapshots`;
  const { snapshot } = await atoll.api.expect(201, 'POST', snapshotsPath, { name: 'one' });
  await settled();
  atoll.host.fail('ensureVolume', new EngineError('unavailable', 'no'), Infinity);
  const body = { ...volumeOrder, name: 'copy', snapshot_id: snapshot.id };
  const { volume: copy } = await atoll.api.expect(201, 'POST', '/v2/volumes', body);
  await atoll.api.expect(204, 'DELETE', `/v2/snapshots/${snapshot.id}`);
  await pass(minutes(10));
  const waiting = await row('volume_snapshot', snapshot.id);
  expect(waiting?.waiting_for).toBe(`busy: volume ${copy.id} is yet to be made from snapshot ${snapshot.id}`);
  // Five times a second would be 3,000.
  expect(runsOf('volume_snapshot')?.waiting).toBeLessThan(160);
  // Where it is not wanted any more, it goes at once.
  await atoll.api.expect(204, 'DELETE', `/v2/volumes/${copy.id}`);
  await settled();
  expect(await row('volume_snapshot', snapshot.id)).toBeUndefined();
});
