/** Machines that serve a product, on real Incus: made, told, started again, resized, removed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { desire, removeMachine, resizeMachine } from '../../src/cloud/machines/index.ts';
import { type AtollOnIncus, startAtollOnIncus } from '../support/atoll-on-incus.ts';
import { keeper, keeperProgram, machineDeps, machineRoles, orderKeeper } from '../support/machines.ts';
import { unless, whyNoIncus } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

describe('on Incus', unless(await whyNoIncus()), () => {
  let lab: AtollOnIncus;
  beforeAll(async () => {
    lab = await startAtollOnIncus({ machineRoles });
  }, 60_000);
  afterAll(() => lab.close(), 60_000);

  const store = () => lab.atoll.database.store;
  const rowOf = (id: number) =>
    store().db.selectFrom('machines').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const is = (what: string, seen: () => Promise<boolean>) => until(seen, 60_000, what);

  it('brings a machine to what its product desires, and keeps it there', async () => {
    const { atoll, compute } = lab;
    // The lab has it in its engine already, and a builder that makes nothing real.
    await store()
      .db.insertInto('golden_images')
      .values({ name: keeper.image, phase: 'ready', since: new Date(), digest: 'of the lab' })
      .execute();
    const secret = 'correct horse battery staple';
    const id = await orderKeeper(atoll, secret, { files: [keeperProgram], public: 'ipv4' }, lab.context);
    const machine = `machine-${id}`;
    await is('it is active', async () => (await rowOf(id)).status === 'active');
    expect((await rowOf(id)).observed).toEqual({ kept: secret, times: 1 });
    // Its secrets are nowhere in Incus' records of it.
    const { nonce } = await rowOf(id);
    const record = await lab.incus.client.request('GET', await lab.incus.pathOf(`${machine}-${nonce}`));
    expect(JSON.stringify(record)).not.toContain(secret);

    await store().transaction((tx) =>
      desire(tx, machineDeps(atoll, lab.context), id, { word: 'b' }, new Date()),
    );
    await is('it was told', async () => (await rowOf(id)).applied_generation === 2);
    expect((await rowOf(id)).observed).toEqual({ kept: 'b', times: 2 });

    await compute.stop(machine, { force: true, timeoutMs: 0 });
    await is('it is started again and told anew', async () => (await rowOf(id)).applied_boot === 2);
    expect(await rowOf(id)).toMatchObject({ restarts: 1, observed: { kept: 'b', times: 3 } });

    // By Incus, as with its host: nobody of ours has asked for that.
    const path = await lab.incus.pathOf(`${machine}-${nonce}`);
    const restart = { action: 'restart', force: true, timeout: 30 };
    await lab.incus.client.request('PUT', `${path}/state`, { body: restart });
    await is(
      'it is told after a boot of its own',
      async () => ((await rowOf(id)).observed as { times: number }).times === 4,
    );
    expect(await rowOf(id)).toMatchObject({ restarts: 1, boot: 2, status: 'active' });

    await store().transaction((tx) =>
      resizeMachine(tx, id, { vcpus: 1, memoryMib: 768, diskGib: 6 }, new Date()),
    );
    await is('it is larger', async () => (await compute.get(machine))?.size.memoryMib === 768);

    await store().transaction((tx) => removeMachine(tx, id, new Date()));
    await is('it is gone', async () => (await rowOf(id)).gone_at !== null);
    expect((await lab.everything()).filter((name) => name.startsWith('machine-'))).toEqual([]);
  }, 120_000);
});
