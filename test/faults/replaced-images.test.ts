/** An image that is replaced in the very moment in which something is made of it: the next one serves. */
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { beginBuild, engineImages, finishBuild } from '../../src/cloud/images/index.ts';
import type { MachineRoles } from '../../src/cloud/machines/index.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import { noDelays, openWorld, simulatedCompute } from '../../src/engine/compute/simulated/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet } from '../support/droplets.ts';
import { keeper, orderKeeper } from '../support/machines.ts';
import { simulatedContext } from '../support/simulated-context.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
let meanwhile: (() => Promise<unknown>) | undefined;
afterEach(() => atoll.close());
const now = () => systemClock.now();

/** Before a machine is made, and its image was chosen. */
const interrupted = (compute: Compute): Compute => ({
  ...compute,
  async create(spec) {
    const first = meanwhile;
    meanwhile = undefined;
    await first?.();
    await compute.create(spec);
  },
});

it('a machine of a product is made of the newer golden image', async () => {
  const machineRoles = { keeper: { ...keeper, image: 'edge' } } as unknown as MachineRoles;
  atoll = await startAtoll({ machineRoles, wrap: { compute: interrupted } });
  const { store } = atoll.database;
  const digest = '0123456789abcdef';
  meanwhile = async () => {
    const [before] = await atoll.engine.listSnapshots();
    await atoll.engine.unpackImage(
      { urn: 'do:golden:edge', name: `golden-edge-${digest}` },
      { file: '', bytes: 1, additions: [] },
    );
    await store.db.updateTable('golden_images').set({ digest, wanted: digest }).execute();
    await atoll.engine.deleteSnapshot(before?.name ?? '');
  };
  const id = await orderKeeper(atoll, 'word', { image: 'edge' });
  const row = () =>
    store.db.selectFrom('machines').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  await until(async () => (await row()).status !== 'new');
  expect(await row()).toMatchObject({ status: 'active', reason: null, image_digest: digest });
});

it('a droplet is made of the newer build of a public image', async () => {
  const world = await openWorld({ clock: systemClock, images: ['debian-12'], delays: noDelays });
  const compute = simulatedCompute(world);
  const held = engineImages(compute);
  await held.look();
  const imageHost = {
    mode: 'real' as const,
    aliases: {},
    get available() {
      return held.names;
    },
  };
  atoll = await startAtoll({
    real: { compute, context: { ...simulatedContext, imageHost } },
    wrap: { compute: interrupted },
  });
  const add = async () => {
    const label = { name: 'Mine', distribution: 'Debian', origin: 'file' as const, source: 'x' };
    const build = await beginBuild(atoll.database.store.db, { slug: 'mine', ...label }, now());
    await compute.importImage(build.engineImage, '');
    await held.look();
    for (const old of await finishBuild(atoll.database.store, build, { bytes: 1, minDiskGib: 1 }, now()))
      await compute.deleteImage(old);
  };
  await add();
  meanwhile = add;
  expect(await createDroplet(atoll.api, { image: 'mine' })).toMatchObject({ status: 'active' });
  await world.close();
});
