/** What the engines hold and the database does not know is left as it is; nothing new is mistaken for it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { type Logger, pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostStates } from '../../src/cloud/hosts/index.ts';
import { ForeignEngines } from '../../src/control/cloud-id.ts';
import { listQuarantined } from '../../src/control/quarantine.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, getDroplet } from '../support/droplets.ts';
import { machineRoles, orderKeeper } from '../support/machines.ts';
import { until } from '../support/until.ts';
import { actOnVolume, createVolume } from '../support/volumes.ts';
import { idle } from './crash-harness.ts';

let atoll: TestAtoll;
let lines: string[];
beforeEach(async () => {
  lines = [];
  const log: Logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  atoll = await startAtoll({ log, machineRoles, sweepMs: 250 });
});
afterEach(() => atoll.close());

const db = () => atoll.database.store.db;
const inQuarantine = async () =>
  (await listQuarantined(db())).map(({ kind, urn }) => `${kind} ${urn.replace(/^do:/, '')}`);
const machines = async () => (await atoll.engine.list()).map(({ name }) => name).sort();

/** What a dump of before all this would not have: as after its restore, with the sequences set back too. */
async function forget(...tables: string[]): Promise<void> {
  await sql`truncate ${sql.join([...tables, 'reconcile'].map((table) => sql.table(table)))} restart identity cascade`.execute(
    db(),
  );
  await sql`update addresses set owner = null`.execute(db());
  await sql`update address_pools set next = 2 where pool like 'reserved%'`.execute(db());
  await sql`select setval('droplet_versions', 1)`.execute(db());
}

/** Droplet, snapshot, volume with a snapshot, reserved address: one of everything. */
async function furnish() {
  const droplet = await createDroplet(atoll.api);
  const act = async (body: object) =>
    ended(
      atoll.api,
      (await atoll.api.expect(201, 'POST', `/v2/droplets/${droplet.id}/actions`, body)).action.id,
    );
  await act({ type: 'snapshot', name: 'kept' });
  const volume = await createVolume(atoll.api);
  await actOnVolume(atoll.api, volume.id, { type: 'attach', droplet_id: droplet.id });
  await atoll.api.expect(201, 'POST', `/v2/volumes/${volume.id}/snapshots`, { name: 'kept' });
  const { reserved_ip, links } = await atoll.api.expect(202, 'POST', '/v2/reserved_ips', {
    droplet_id: droplet.id,
  });
  await ended(atoll.api, links.actions[0].id);
  await idle(atoll);
  const image = (await getDroplet(atoll.api, droplet.id)).snapshot_ids[0];
  return { droplet, volume, ip: reserved_ip.ip as string, image };
}
const everything = async () => ({
  machines: await atoll.engine.list(),
  snapshots: await atoll.engine.listSnapshots(),
  networks: await atoll.engine.networks(),
  entries: await atoll.host.list(),
  volumes: await atoll.host.volumes(),
  addresses: await atoll.host.addresses(),
});
const all = ['droplets', 'images', 'volumes', 'volume_snapshots', 'reserved_ips', 'vpcs'];

describe('a database that knows nothing of what the engines hold', () => {
  it('promises nobody the room that machines in quarantine take, until they are gone', async () => {
    const { id } = await createDroplet(atoll.api);
    const keeper = await orderKeeper(atoll, 'word');
    await until(
      async () => (await atoll.engine.list()).filter(({ state }) => state === 'running').length === 2,
    );
    const promised = async () => {
      const [host] = await hostStates(db());
      return [host?.things, host?.dedicated_mib, host?.shared_mib, host?.disk_gib];
    };
    const before = await promised();
    expect(before).toEqual([2, 512, 1024, 30]);
    await forget('droplets', 'machines', 'host_reservations', 'host_totals');
    await atoll.restart();
    expect(await promised()).toEqual(before);
    for (const name of [`droplet-${id}`, `machine-${keeper}`]) await atoll.world.deleteBehindOurBack(name);
    await until(async () => (await promised())[0] === 0);
  });

  it('deletes no volume that a machine in quarantine has: its device would be the next volume’s', async () => {
    const droplet = await createDroplet(atoll.api);
    const volume = await createVolume(atoll.api);
    await actOnVolume(atoll.api, volume.id, { type: 'attach', droplet_id: droplet.id });
    await idle(atoll);
    // As a dump of before the droplet was made has it.
    await sql`update volumes set droplet_id = null`.execute(db());
    await sql`update addresses set owner = null`.execute(db());
    await sql`delete from droplets`.execute(db());
    await atoll.restart();
    await until(async () => (await inQuarantine()).includes(`machine droplet:${droplet.id}`));
    await atoll.api.expect(204, 'DELETE', `/v2/volumes/${volume.id}`);
    const bytes = async () => (await atoll.host.volumes()).volumes.map(({ id }) => id);
    await delay(1_000);
    expect(await bytes()).toEqual([volume.id]);
    const [machine] = await atoll.engine.list();
    await atoll.engine.delete(machine?.name ?? '');
    await until(async () => (await bytes()).length === 0);
  });

  it('destroys nothing, names each thing once, and holds it in quarantine over many sweeps', async () => {
    const { droplet, volume, ip, image } = await furnish();
    const before = await everything();
    await forget(...all);
    await atoll.restart();
    await until(async () => (await inQuarantine()).length === 7);
    expect((await inQuarantine()).sort()).toEqual(
      [
        `VPC network vpc:${before.networks[0]}`,
        `host entry droplet:${droplet.id}`,
        `kept disk image:${image}`,
        `machine droplet:${droplet.id}`,
        `reserved address reservedip:${ip}`,
        `volume snapshot volumesnapshot:${before.volumes.snapshots[0]}`,
        `volume volume:${volume.id}`,
      ].sort(),
    );
    // A gap in the engine's events is a full sweep, and so is each tenth of a second.
    for (let gaps = 0; gaps < 3; gaps++) {
      atoll.world.unavailable(false);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(await everything()).toEqual(before);
    const told = lines.filter(
      (line) => line.includes('quarantined') && line.includes(`do:droplet:${droplet.id}`),
    );
    expect(told).toHaveLength(2);
    expect(told.filter((line) => line.includes('"kind":"machine"'))).toHaveLength(1);
  });

  it('makes new things that are nothing of the old', async () => {
    const { droplet, ip, image } = await furnish();
    const [old] = await machines();
    await forget(...all);
    await atoll.restart();
    const next = await createDroplet(atoll.api);
    expect(next.id).toBeGreaterThan(droplet.id);
    expect(next.networks.v4[0].ip_address).not.toBe(droplet.networks.v4[0].ip_address);
    expect(await machines()).toHaveLength(2);
    expect(atoll.host.metadata(next.id)?.droplet_id).toBe(next.id);
    const snapshot = await atoll.api.expect(201, 'POST', `/v2/droplets/${next.id}/actions`, {
      type: 'snapshot',
    });
    expect((await ended(atoll.api, snapshot.action.id)).status).toBe('completed');
    expect((await getDroplet(atoll.api, next.id)).snapshot_ids[0]).toBeGreaterThan(image);
    const { reserved_ip } = await atoll.api.expect(202, 'POST', '/v2/reserved_ips', { region: 'nyc3' });
    expect(reserved_ip.ip).not.toBe(ip);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${next.id}`);
    await until(async () => (await machines()).length === 1);
    expect(await machines()).toEqual([old]);
  });

  it('gives out the address of a machine in its own VPC only when the machine is gone', async () => {
    const droplet = await createDroplet(atoll.api);
    const [outside, inside] = [0, 1].map((n) => droplet.networks.v4[n].ip_address);
    await forget('droplets', 'images', 'volumes');
    await atoll.restart();
    const next = await createDroplet(atoll.api);
    expect(next.networks.v4.map((v4: { ip_address: string }) => v4.ip_address)).not.toContain(inside);
    await atoll.world.deleteBehindOurBack(`droplet-${droplet.id}`);
    await atoll.host.withdraw(droplet.id, Number.MAX_SAFE_INTEGER);
    await until(async () => (await inQuarantine()).length === 0);
    const free = async (ip: string) =>
      (await db().selectFrom('addresses').select('owner').where('ip', '=', ip).executeTakeFirst())?.owner ===
      null;
    await until(async () => (await free(outside)) && (await free(inside)));
  });
});

describe('an older dump', () => {
  it('of a droplet that has another nonce than the machine: nobody adopts, starts, shows or deletes that', async () => {
    const { id } = await createDroplet(atoll.api);
    const [machine] = await machines();
    await db()
      .updateTable('droplets')
      .set({ nonce: 'other000', root_done: 0 })
      .where('id', '=', id)
      .execute();
    await atoll.restart();
    await until(async () => (await inQuarantine()).includes(`machine droplet:${id}`));
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await until(async () => (await atoll.host.published(id)) === undefined);
    expect(await machines()).toEqual([machine]);
    expect((await atoll.engine.get(machine ?? ''))?.state).toBe('running');
  });

  it('goes on with versions that the host does not call stale', async () => {
    const { id } = await createDroplet(atoll.api);
    await db().executeQuery(sql`alter sequence droplet_versions restart with 2`.compile(db()));
    await db().executeQuery(sql`alter table droplets disable trigger droplet_changed`.compile(db()));
    await db().updateTable('droplets').set({ version: 1 }).where('id', '=', id).execute();
    await db().executeQuery(sql`alter table droplets enable trigger droplet_changed`.compile(db()));
    await atoll.restart();
    const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, {
      type: 'rename',
      name: 'renamed',
    });
    expect((await ended(atoll.api, action.id)).status).toBe('completed');
    await until(async () => atoll.host.metadata(id)?.hostname === 'renamed');
  });

  it('does not take the reboot or rebuild of before for the one that is asked for now', async () => {
    const { id } = await createDroplet(atoll.api);
    const act = async (body: object) =>
      ended(atoll.api, (await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body)).action.id);
    await act({ type: 'rebuild', image: 'debian-13-x64' });
    await act({ type: 'reboot' });
    const then = await atoll.compute.get(`droplet-${id}`);
    await db().updateTable('droplets').set({ boot: 1, root: 1, root_done: 1 }).where('id', '=', id).execute();
    await atoll.restart();
    await act({ type: 'rebuild', image: 'debian-12-x64' });
    const rebuilt = await atoll.compute.get(`droplet-${id}`);
    expect(rebuilt?.root).toBeGreaterThan(then?.root ?? 0);
    await act({ type: 'reboot' });
    expect((await atoll.compute.get(`droplet-${id}`))?.boot).toBeGreaterThan(rebuilt?.boot ?? 0);
  });
});

describe('what is not ours', () => {
  const spec = (urn: string, name: string) => ({
    urn,
    name,
    source: { image: 'debian-12' },
    root: 1,
    boot: 1,
    volumes: [],
    nics: [],
    vcpus: 1,
    memoryMib: 512,
    diskGib: 10,
  });

  it('is let alone: machines and disks of other products are neither removed nor in quarantine', async () => {
    const { id } = await createDroplet(atoll.api);
    await atoll.engine.create(spec('do:dbaas:1', 'dbaas-1'));
    await atoll.engine.create(spec('do:k8s:1f3a', 'node-1'));
    await atoll.engine.snapshotDisk('dbaas-1', { urn: 'do:dbaas:1', name: 'dbaas-1-disk' });
    await atoll.restart();
    // Something that the same sweep removes.
    await db()
      .updateTable('droplets')
      .set({ deleted_at: new Date(), gone_at: new Date() })
      .where('id', '=', id)
      .execute();
    await until(async () => (await atoll.compute.get(`droplet-${id}`)) === undefined);
    expect(await machines()).toEqual(['dbaas-1', 'node-1']);
    expect(await atoll.engine.listSnapshots()).toHaveLength(1);
    expect(await inQuarantine()).toEqual([]);
  });
});

describe('the sweep', () => {
  it('goes on where one thing, or one engine, cannot be done', async () => {
    const [a, b] = [await createDroplet(atoll.api), await createDroplet(atoll.api)];
    await atoll.restart({ sweepMs: 3_600_000 });
    await idle(atoll);
    const remove = atoll.engine.delete;
    atoll.engine.delete = async (name) => {
      if (name.startsWith(`droplet-${a.id}-`)) throw new Error('stuck');
      return remove.call(atoll.engine, name);
    };
    const gone = { deleted_at: new Date(), gone_at: new Date() };
    await db().updateTable('droplets').set(gone).where('id', 'in', [a.id, b.id]).execute();
    atoll.world.unavailable(false);
    await until(async () => (await atoll.compute.get(`droplet-${b.id}`)) === undefined);
    await until(async () => lines.some((line) => line.includes('stuck')));
    expect(await atoll.compute.get(`droplet-${a.id}`)).toBeDefined();
    atoll.engine.delete = remove;
    atoll.world.unavailable(false);
    await until(async () => (await machines()).length === 0);
  });

  it('keeps the backoff of what it finds out of step', async () => {
    const { id } = await createDroplet(atoll.api);
    await idle(atoll);
    await atoll.restart({ sweepMs: 3_600_000 });
    await idle(atoll);
    // As far off as a backoff may be: what is due later is taken for written before the clock was set back.
    const due = new Date(Date.now() + 45_000);
    await db()
      .updateTable('reconcile')
      .set({ wanted: sql<number>`done + 1`, attempts: 3, due })
      .where('id', '=', String(id))
      .execute();
    await db().updateTable('droplets').set({ status: 'off' }).where('id', '=', id).execute();
    atoll.world.unavailable(false);
    const row = db().selectFrom('reconcile').selectAll().where('id', '=', String(id));
    await until(async () => {
      const { wanted, done } = await row.executeTakeFirstOrThrow();
      return wanted - done > 1;
    });
    expect(await row.executeTakeFirstOrThrow()).toMatchObject({ attempts: 3, due });
  });

  it('is made by one process at a time', async () => {
    await atoll.restart({ sweepMs: 3_600_000 });
    await idle(atoll);
    const client = await atoll.database.store.pool.connect();
    try {
      await until(async () => {
        const { rows } = await client.query('select pg_try_advisory_lock($1) as mine', [0x61746f73]);
        return rows[0].mine === true;
      });
      const { id } = await createDroplet(atoll.api);
      await idle(atoll);
      await db()
        .updateTable('droplets')
        .set({ deleted_at: new Date(), gone_at: new Date() })
        .where('id', '=', id)
        .execute();
      atoll.world.unavailable(false);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await machines()).toHaveLength(1);
      await client.query('select pg_advisory_unlock($1)', [0x61746f73]);
      // What it was told of is looked for all the same.
      await until(async () => (await machines()).length === 0);
    } finally {
      client.release(true);
    }
  });
});

describe('the cloud id', () => {
  const newId = () => db().updateTable('cloud').set({ id: randomUUID() }).execute();

  it('is given to engines that have none, and a database of another one is refused until it is accepted', async () => {
    const { id } = await createDroplet(atoll.api);
    const before = await everything();
    const { id: cloud } = await db().selectFrom('cloud').select('id').executeTakeFirstOrThrow();
    expect(await atoll.engine.mark()).toMatchObject({ cloud });
    expect(await atoll.host.mark()).toMatchObject({ cloud });
    await newId();
    const refusal = await atoll.restart().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ForeignEngines);
    const { message } = refusal as Error;
    expect(message).toContain(`cloud ${cloud}, since `);
    expect(message).toMatch(/database .*1 droplet\b/);
    expect(message).toMatch(/machines .*1 machine\b/);
    expect(message).toContain('--accept-database');
    expect(await everything()).toEqual(before);
    await atoll.restart({ acceptDatabase: true });
    await atoll.restart();
    expect((await getDroplet(atoll.api, id)).status).toBe('active');
  });

  it('an empty database beside engines of before, which have no id, is refused; one with rows is theirs', async () => {
    await createDroplet(atoll.api);
    const marks = [atoll.engine.mark, atoll.host.mark];
    [atoll.engine.mark, atoll.host.mark] = [async () => undefined, async () => undefined];
    await db().updateTable('cloud').set({ engines_since: null }).execute();
    await atoll.restart();
    await forget(...all);
    await expect(atoll.restart()).rejects.toBeInstanceOf(ForeignEngines);
    [atoll.engine.mark, atoll.host.mark] = marks as [typeof atoll.engine.mark, typeof atoll.host.mark];
    await atoll.restart();
  });

  it('a database that has engines is not taken for that of others, which hold nothing and have no id yet', async () => {
    const { id } = await createDroplet(atoll.api);
    const second = await startAtoll();
    try {
      // The other home's engines, as they are before their first start.
      const { engine, host } = second;
      [engine.mark, host.mark] = [async () => undefined, async () => undefined];
      const refusal = await atoll.restart({ compute: engine, host }).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(ForeignEngines);
      expect((refusal as Error).message).toMatch(/with engines since .*: 1 droplet/);
      await atoll.restart();
      expect((await getDroplet(atoll.api, id)).status).toBe('active');
    } finally {
      await second.close();
    }
  });

  it('an engine that has lost it gets it again, and the log says what that may mean', async () => {
    await createDroplet(atoll.api);
    const { mark } = atoll.engine;
    atoll.engine.mark = async () => undefined;
    await atoll.restart();
    atoll.engine.mark = mark;
    expect(lines.some((line) => line.includes('has lost the cloud id'))).toBe(true);
  });
});

it('waits at its start for an engine that does not answer', async () => {
  atoll.world.unavailable(true);
  const restarted = atoll.restart();
  await until(async () => lines.some((line) => line.includes('waiting for an engine')));
  atoll.world.unavailable(false);
  await restarted;
  expect(await createDroplet(atoll.api)).toMatchObject({ status: 'active' });
});
