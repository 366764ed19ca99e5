/** What the operator sees and removes of what is in quarantine. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { dropletUrn } from '../../src/cloud/droplet-state/index.ts';
import { listQuarantined, requestRemoval } from '../../src/control/quarantine.ts';
import {
  everythingHeld,
  findOrphans,
  removeOrphans,
  selectOrphans,
  whyNotTrusted,
} from '../../src/orphans.ts';
import { openStore } from '../../src/store/open.ts';
import { idle } from '../faults/crash-harness.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, getDroplet } from '../support/droplets.ts';
import { until } from '../support/until.ts';
import { createVolume } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ sweepMs: 100 });
});
afterAll(() => atoll.close());

const deps = () => ({
  store: atoll.database.store,
  compute: atoll.engine,
  host: atoll.host,
  secrets: atoll.keys.secrets,
  clock: systemClock,
  log: silentLog,
});
const db = () => atoll.database.store.db;

/** A droplet that the database no longer knows; answers its id and its address. */
async function orphan(): Promise<{ id: number; ip: string }> {
  const { id, networks } = await createDroplet(atoll.api);
  await idle(atoll);
  await db().deleteFrom('reconcile').where('id', '=', String(id)).execute();
  await db().deleteFrom('droplets').where('id', '=', id).execute();
  await db().updateTable('addresses').set({ owner: null }).where('owner', '=', dropletUrn(id)).execute();
  return { id, ip: networks.v4[0].ip_address };
}
const holder = async (ip: string) =>
  (await db().selectFrom('addresses').select('owner').where('ip', '=', ip).executeTakeFirst())?.owner;

describe('orphans', () => {
  it('are listed with age and size, and removed with all that belongs to them, and nothing else', async () => {
    const kept = await createDroplet(atoll.api);
    const { id, ip } = await orphan();
    await until(async () => (await listQuarantined(db())).length === 2);
    await until(async () => (await holder(ip)) === 'quarantine');
    const orphans = await findOrphans(deps());
    expect(orphans).toMatchObject([
      { kind: 'machine', urn: `do:droplet:${id}`, bytes: 25 * 2 ** 30, createdAt: expect.any(Date) },
      { kind: 'host entry', name: String(id), urn: `do:droplet:${id}`, foundAt: expect.any(Date) },
    ]);
    const name = orphans[0]?.name ?? '';
    const { selected, missing } = selectOrphans(orphans, [name, 'no-such']);
    expect(missing).toEqual(['no-such']);
    const removed: string[] = [];
    expect(await removeOrphans(deps(), selected, ({ kind }) => removed.push(kind))).toEqual([]);
    expect(removed).toEqual(['machine', 'host entry']);
    expect(await findOrphans(deps())).toEqual([]);
    expect(await listQuarantined(db())).toEqual([]);
    expect(await holder(ip)).toBeNull();
    expect((await getDroplet(atoll.api, kept.id)).status).toBe('active');
    expect(await atoll.compute.get(`droplet-${kept.id}`)).toMatchObject({ state: 'running' });
  });

  it('are not removed where the database knows them by now', async () => {
    const { id } = await createDroplet(atoll.api);
    const [machine] = (await everythingHeld(deps())).filter(({ urn }) => urn === `do:droplet:${id}`);
    expect(machine).toBeDefined();
    await removeOrphans(deps(), machine ? [machine] : [], () => {});
    expect(await atoll.compute.get(`droplet-${id}`)).toMatchObject({ state: 'running' });
  });

  it('are removed by the control plane where only that can', async () => {
    const { id } = await orphan();
    await until(async () => (await listQuarantined(db())).length === 2);
    const entry = (await findOrphans(deps())).filter(({ kind }) => kind === 'host entry');
    await requestRemoval(atoll.database.store.db, entry);
    await until(async () => (await atoll.host.published(id)) === undefined);
    expect(await atoll.compute.get(`droplet-${id}`)).toMatchObject({ state: 'running' });
    await atoll.world.deleteBehindOurBack(`droplet-${id}`);
    await until(async () => (await listQuarantined(db())).length === 0);
  });

  it('are not to be told from what is known without the right database', async () => {
    expect(await whyNotTrusted(deps())).toBeUndefined();
    const nowhere = openStore({ socketDir: '/nonexistent' }, { name: 'nowhere', connections: 1 });
    expect(await whyNotTrusted({ ...deps(), store: nowhere })).toContain('does not answer');
    const volume = await createVolume(atoll.api);
    await idle(atoll);
    const held = await everythingHeld({ ...deps(), store: nowhere });
    expect(held).toContainEqual(
      expect.objectContaining({ kind: 'volume', name: volume.id, bytes: 10 * 2 ** 30 }),
    );
    await nowhere.close();
    const { id } = await db().selectFrom('cloud').select('id').executeTakeFirstOrThrow();
    await db().updateTable('cloud').set({ id: randomUUID() }).execute();
    expect(await whyNotTrusted(deps())).toContain(`the engines are of cloud ${id}`);
    await db().updateTable('cloud').set({ id }).execute();
  });
});
