/** What only an older or another database can do to what is in quarantine. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropletUrn } from '../../src/cloud/droplet-state/index.ts';
import { desire } from '../../src/cloud/machines/index.ts';
import { listQuarantined } from '../../src/control/quarantine.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, getDroplet } from '../support/droplets.ts';
import { machineDeps, machineRoles, orderKeeper } from '../support/machines.ts';
import { until } from '../support/until.ts';
import { actOnVolume, createVolume } from '../support/volumes.ts';
import { idle } from './crash-harness.ts';

let atoll: TestAtoll;
beforeEach(async () => {
  atoll = await startAtoll({ sweepMs: 250, machineRoles });
});
afterEach(() => atoll.close());

const db = () => atoll.database.store.db;
const inQuarantine = async () =>
  (await listQuarantined(db())).map(({ kind, urn }) => `${kind} ${urn.replace(/^do:/, '')}`);
const act = async (id: number, body: object) =>
  ended(atoll.api, (await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body)).action.id);

/** As if the dump were older than these. */
async function forgetDroplet(id: number): Promise<void> {
  await sql`delete from reconcile where kind = 'droplet' and id = ${String(id)}`.execute(db());
  await sql`update addresses set owner = null where owner = ${dropletUrn(id)}`.execute(db());
  await sql`update volumes set droplet_id = null where droplet_id = ${id}`.execute(db());
  await sql`delete from droplets where id = ${id}`.execute(db());
}

it('a control plane killed while versions rise leaves none behind that the host calls stale', async () => {
  const [a, b] = [await createDroplet(atoll.api), await createDroplet(atoll.api)];
  const { reserved_ip, links } = await atoll.api.expect(202, 'POST', '/v2/reserved_ips', {
    droplet_id: a.id,
  });
  await ended(atoll.api, links.actions[0].id);
  const leadsTo = async () => (await atoll.host.addresses()).find(({ ip }) => ip === reserved_ip.ip)?.target;
  const before = await leadsTo();
  // After the dump it went to another droplet.
  const path = `/v2/reserved_ips/${reserved_ip.ip}/actions`;
  for (const body of [{ type: 'unassign' }, { type: 'assign', droplet_id: b.id }])
    await ended(atoll.api, (await atoll.api.expect(201, 'POST', path, body)).action.id);
  await idle(atoll);
  expect(await leadsTo()).not.toBe(before);
  for (const table of ['droplets', 'reserved_ips'])
    await sql`alter table ${sql.table(table)} disable trigger user`.execute(db());
  await db().updateTable('droplets').set({ version: 1 }).execute();
  await db().updateTable('reserved_ips').set({ version: 1, droplet_id: a.id }).execute();
  for (const table of ['droplets', 'reserved_ips'])
    await sql`alter table ${sql.table(table)} enable trigger user`.execute(db());
  await sql`select setval('droplet_versions', 1)`.execute(db());
  // When the numbers have moved and the rows have not.
  await sql`create function killed() returns trigger language plpgsql as $$ begin raise 'killed'; end $$`.execute(
    db(),
  );
  await sql`create trigger killed before update on droplets execute function killed()`.execute(db());
  await expect(atoll.restart()).rejects.toThrow('killed');
  await sql`drop trigger killed on droplets`.execute(db());
  await atoll.restart();
  await until(async () => (await leadsTo()) === before);
});

it('a machine that a newer database has told something else is told what this one desires', async () => {
  // Of a kind that has nothing to do about it.
  const owner = { urn: 'do:keeper:1', kind: 'volume', id: '00000000-0000-4000-8000-000000000000' };
  const id = await orderKeeper(atoll, 'dumped', { owner });
  const kept = async () =>
    (await db().selectFrom('machines').select('observed').where('id', '=', id).executeTakeFirst())?.observed;
  await until(async () => (await kept()) !== null);
  const dump = await db().selectFrom('machines').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  await atoll.database.store.transaction((tx) =>
    desire(tx, machineDeps(atoll), id, { word: 'after the dump' }, new Date()),
  );
  await until(async () => JSON.stringify(await kept())?.includes('after the dump'));
  // Its entry on the host has another version since.
  await createDroplet(atoll.api);
  const { desired, observed, generation, applied_generation, applied_run } = dump;
  await db()
    .updateTable('machines')
    .set({
      desired,
      observed: JSON.stringify(observed),
      generation,
      applied_generation,
      applied_run,
    })
    .where('id', '=', id)
    .execute();
  await sql`select setval('droplet_versions', 1)`.execute(db());
  await atoll.restart();
  await until(async () => JSON.stringify(await kept())?.includes('3'));
  expect(await kept()).toEqual({ kept: 'dumped', times: 3 });
});

describe('a volume that a machine in quarantine has', () => {
  it('is attached to no other, nor made part of a new one: two would write on one filesystem', async () => {
    const old = await createDroplet(atoll.api);
    const volume = await createVolume(atoll.api);
    await actOnVolume(atoll.api, volume.id, { type: 'attach', droplet_id: old.id });
    const other = await createDroplet(atoll.api);
    await idle(atoll);
    await forgetDroplet(old.id);
    await atoll.restart();
    await until(async () => (await inQuarantine()).includes(`machine droplet:${old.id}`));
    const attach = await actOnVolume(atoll.api, volume.id, { type: 'attach', droplet_id: other.id });
    expect(attach.status).toBe('errored');
    const having = async () =>
      (await atoll.engine.list()).filter(({ volumes }) => volumes.includes(volume.id)).map(({ urn }) => urn);
    expect(await having()).toEqual([`do:droplet:${old.id}`]);
    const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', {
      name: 'new',
      region: 'nyc3',
      size: 's-1vcpu-1gb',
      image: 'debian-13-x64',
      volumes: [volume.id],
    });
    expect((await ended(atoll.api, links.actions[0].id)).status).toBe('errored');
    expect(await having()).toEqual([`do:droplet:${old.id}`]);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
    // Gone by the operator's hand, it frees the volume.
    await atoll.world.deleteBehindOurBack(`droplet-${old.id}`);
    await until(async () => !(await inQuarantine()).includes(`machine droplet:${old.id}`));
    const again = await actOnVolume(atoll.api, volume.id, { type: 'attach', droplet_id: other.id });
    expect(again.status).toBe('completed');
  });
});

describe('the host entry of a machine in quarantine', () => {
  /** The droplet of another database that has the id of one here. */
  async function otherRow(id: number, change: object): Promise<void> {
    await sql`insert into addresses (pool, ip, owner) values ('public', '10.64.9.9', ${dropletUrn(id)})
      on conflict (pool, ip) do update set owner = excluded.owner`.execute(db());
    await db()
      .updateTable('droplets')
      .set({ nonce: 'other000', name: 'another', public_ipv4: '10.64.9.9', user_data: 'secret', ...change })
      .where('id', '=', id)
      .execute();
  }

  it('is not overwritten or withdrawn by a droplet of the same id', async () => {
    const { id } = await createDroplet(atoll.api);
    await idle(atoll);
    const entry = atoll.host.metadata(id);
    await otherRow(id, { root_done: 1 });
    await atoll.restart();
    await until(async () => (await inQuarantine()).includes(`machine droplet:${id}`));
    await act(id, { type: 'rename', name: 'renamed' });
    expect(atoll.host.metadata(id)).toEqual(entry);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await until(async () => {
      const row = await db().selectFrom('droplets').select('gone_at').where('id', '=', id).executeTakeFirst();
      return row?.gone_at !== null;
    });
    await until(async () => (await inQuarantine()).includes(`host entry droplet:${id}`));
    expect(atoll.host.metadata(id)).toEqual(entry);
    await atoll.api.expect(404, 'GET', `/v2/droplets/${id}`);
  });

  it('is not overwritten by a droplet of the same id that is yet to be made', async () => {
    const { id } = await createDroplet(atoll.api);
    await idle(atoll);
    const entry = atoll.host.metadata(id);
    const { id: action } = await db()
      .selectFrom('actions')
      .select('id')
      .where('resource_id', '=', String(id))
      .executeTakeFirstOrThrow();
    await db()
      .updateTable('actions')
      .set({ status: 'in-progress', completed_at: null })
      .where('id', '=', action)
      .execute();
    await otherRow(id, { root_done: 0, status: 'new', power: 'on', pending_action_id: action });
    await sql`select wake('droplet', ${String(id)}, now())`.execute(db());
    await atoll.restart();
    expect((await ended(atoll.api, action)).status).toBe('errored');
    await idle(atoll);
    expect(atoll.host.metadata(id)).toEqual(entry);
    expect((await getDroplet(atoll.api, id)).status).toBe('off');
  });
});

it('a machine with an older disk than its row says is not given another one by a reboot', async () => {
  const { id } = await createDroplet(atoll.api);
  const [machine] = await atoll.engine.list();
  expect((await act(id, { type: 'rebuild', image: 'debian-13-x64' })).status).toBe('completed');
  // The operator has brought the machine back out of a backup of the pool.
  const name = machine?.name ?? '';
  const replaced: string[] = [];
  const { get, replaceDisk } = atoll.engine;
  atoll.engine.get = async (each) => {
    const found = await get(each);
    return found && each === name ? { ...found, root: 1 } : found;
  };
  atoll.engine.replaceDisk = async (spec) => {
    replaced.push(spec.name);
    await replaceDisk(spec);
  };
  expect((await act(id, { type: 'reboot' })).status).toBe('completed');
  expect(replaced).toEqual([]);
  atoll.engine.get = get;
  expect((await act(id, { type: 'rebuild', image: 'debian-12-x64' })).status).toBe('completed');
  expect(replaced).toEqual([name]);
});
