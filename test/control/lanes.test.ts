/** Quick work never waits behind slow work. */
import { afterEach, expect, it } from 'vitest';
import type { Compute } from '../../src/engine/compute/port.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { gate } from '../support/gate.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
let copies = gate();
let copying = 0;
let mostAtOnce = 0;
afterEach(() => {
  copies.open();
  return atoll.close();
});

/** As few slots as there can be, and copies of disks and guests that take as long as the test wants. */
async function start() {
  copies = gate();
  copying = 0;
  mostAtOnce = 0;
  atoll = await startAtoll({
    workers: 2,
    slowWorkers: 2,
    wrap: {
      compute: (compute: Compute) => ({
        ...compute,
        async snapshotDisk(...args: Parameters<Compute['snapshotDisk']>) {
          mostAtOnce = Math.max(mostAtOnce, ++copying);
          await copies.opened;
          copying--;
          return compute.snapshotDisk(...args);
        },
        async setRootPassword(...args: Parameters<Compute['setRootPassword']>) {
          mostAtOnce = Math.max(mostAtOnce, ++copying);
          await copies.opened;
          copying--;
          return compute.setRootPassword(...args);
        },
      }),
    },
  });
}

const act = (id: number, body: object) =>
  atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body).then(({ action }) => action.id as number);

it('droplets are ordered, turned off and destroyed while six copies are under way or waited for', async () => {
  await start();
  const ids: number[] = [];
  for (let n = 0; n < 7; n++) ids.push((await createDroplet(atoll.api)).id);
  const [other = 0, ...copied] = ids;
  const snapshots: number[] = [];
  for (const id of copied) snapshots.push(await act(id, { type: 'snapshot', name: 'all' }));
  await until(() => copying === 2);
  expect((await ended(atoll.api, await act(other, { type: 'power_off' }))).status).toBe('completed');
  await createDroplet(atoll.api);
  // One that waits for a slot of the slow lane is no slower to go than any other.
  const waiting = await atoll.database.store.db
    .selectFrom('reconcile')
    .select('id')
    .where('lane', '=', 'slow')
    .where('owner', 'is', null)
    .execute();
  expect(waiting).toHaveLength(4);
  const gone = Number(waiting[0]?.id);
  await atoll.api.expect(204, 'DELETE', `/v2/droplets/${gone}`);
  await until(async () => (await atoll.compute.get(`droplet-${gone}`)) === undefined);
  expect(copying).toBe(2);

  copies.open();
  for (const [index, action] of snapshots.entries()) {
    const expected = copied[index] === gone ? 'errored' : 'completed';
    expect((await ended(atoll.api, action)).status).toBe(expected);
  }
  expect(mostAtOnce).toBe(2);
  const rows = () => atoll.database.store.db.selectFrom('reconcile').select(['attempts', 'lane']).execute();
  // The action ends before the run does.
  await until(async () => (await rows()).every(({ lane }) => lane === 'own'));
  expect((await rows()).every(({ attempts }) => attempts === 0)).toBe(true);
});

it('guests that never answer keep no other droplet from its work', async () => {
  await start();
  const ids: number[] = [];
  for (let n = 0; n < 5; n++) ids.push((await createDroplet(atoll.api)).id);
  const [other = 0, ...hung] = ids;
  const resets: number[] = [];
  for (const id of hung) resets.push(await act(id, { type: 'password_reset' }));
  await until(() => copying === 2);
  expect((await ended(atoll.api, await act(other, { type: 'power_off' }))).status).toBe('completed');
  await createDroplet(atoll.api);
  expect(copying).toBe(2);
  copies.open();
  for (const action of resets) expect((await ended(atoll.api, action)).status).toBe('completed');
  expect(mostAtOnce).toBe(2);
});
