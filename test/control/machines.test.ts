/** Machines that serve a product, from order to removal, over the simulated world. */
import { Writable } from 'node:stream';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import {
  desire,
  machinesOf,
  removeMachine,
  resizeMachine,
  restartMachine,
  retryMachine,
  setPower,
} from '../../src/cloud/machines/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet } from '../support/droplets.ts';
import { machineDeps, machineRoles, orderKeeper } from '../support/machines.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
let logged = '';
beforeAll(async () => {
  const log = pino(
    { level: 'trace' },
    new Writable({
      write(chunk, _, done) {
        logged += String(chunk);
        done();
      },
    }),
  );
  atoll = await startAtoll({ machineRoles, log });
});
afterAll(() => atoll.close());

const at = () => new Date();
const tx = <T>(work: Parameters<TestAtoll['database']['store']['transaction']>[0]) =>
  atoll.database.store.transaction(work) as Promise<T>;
const rowOf = async (id: number) =>
  atoll.database.store.db.selectFrom('machines').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const status = async (id: number, wanted: string) =>
  until(async () => (await rowOf(id)).status === wanted, undefined, `machine ${id} is ${wanted}`);
const kept = async (id: number, word: string) =>
  until(
    async () =>
      (await rowOf(id)).observed !== null && ((await rowOf(id)).observed as { kept: string }).kept === word,
  );
const gone = (id: number) => until(async () => (await rowOf(id)).gone_at !== null);
const remove = async (id: number) => {
  await tx((trx) => removeMachine(trx, id, at()));
  await gone(id);
};
const nudges = async () => {
  const { rows } = await sql<{
    wanted: number;
  }>`select wanted from reconcile where kind = 'keeper' and id = '1'`.execute(atoll.database.store.db);
  return rows[0]?.wanted ?? 0;
};

describe('a machine that serves a product', () => {
  it('is made, told what is desired of it, told again when that changes, and removed', async () => {
    const before = await nudges();
    const id = await orderKeeper(atoll, 'first');
    await status(id, 'active');
    expect(await nudges()).toBeGreaterThan(before);
    const [machine] = await machinesOf(atoll.database.store.db, 'do:keeper:1');
    expect(machine).toMatchObject({
      id,
      status: 'active',
      reason: null,
      observed: { kept: 'first', times: 1 },
      appliedGeneration: 1,
      generation: 1,
      publicIpv4: expect.stringMatching(/^198\.1[89]\./),
      publicIpv6: expect.stringMatching(/^fd00:a701:/),
    });
    expect(await atoll.compute.get(`machine-${id}`)).toMatchObject({
      urn: `do:machine:${id}`,
      state: 'running',
      size: { vcpus: 1, memoryMib: 512, diskGib: 5 },
    });
    expect(await atoll.host.published(id)).toBeDefined();
    await tx((trx) => desire(trx, machineDeps(atoll), id, { word: 'second' }, at()));
    await kept(id, 'second');
    await remove(id);
    expect(await atoll.compute.get(`machine-${id}`)).toBeUndefined();
    expect(await atoll.host.published(id)).toBeUndefined();
    const { rows } = await sql`select from addresses where owner = ${`do:machine:${id}`}
      union all select from host_reservations where urn = ${`do:machine:${id}`}`.execute(
      atoll.database.store.db,
    );
    expect(rows).toEqual([]);
    expect(await rowOf(id)).toMatchObject({ files: null, desired: null });
  });

  it('is no droplet: neither listed, nor found, nor counted', async () => {
    const id = await orderKeeper(atoll, 'unseen');
    await status(id, 'active');
    const { droplets, meta } = await atoll.api.expect(200, 'GET', '/v2/droplets');
    expect([droplets, meta.total]).toEqual([[], 0]);
    await atoll.api.expect(404, 'GET', `/v2/droplets/${id}`);
    await atoll.api.expect(404, 'DELETE', `/v2/droplets/${id}`);
    await remove(id);
  });

  it('never has the address of a droplet', async () => {
    const [{ id: droplet }, id] = await Promise.all([createDroplet(atoll.api), orderKeeper(atoll, 'x')]);
    const taken = await sql<{ ip: string }>`select public_ipv4 as ip from droplets where id = ${droplet}
      union all select public_ipv4 from machines where id = ${id}`.execute(atoll.database.store.db);
    expect(new Set(taken.rows.map(({ ip }) => ip)).size).toBe(2);
    await remove(id);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${droplet}`);
  });

  it('is in the VPC of its team alone, where it is asked for that', async () => {
    const droplet = await createDroplet(atoll.api);
    const id = await orderKeeper(atoll, 'inside', { vpcId: droplet.vpc_uuid, public: undefined });
    await status(id, 'active');
    const row = await rowOf(id);
    expect(row.public_ipv4).toBeNull();
    expect(row.private_ipv4).toMatch(/^10\./);
    expect(await atoll.host.published(id)).toBeUndefined();
    expect(await atoll.compute.networks()).toContain(droplet.vpc_uuid);
    await remove(id);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
  });

  it('is started again when it stops by itself, and told again what it is to do', async () => {
    const id = await orderKeeper(atoll, 'steady');
    await status(id, 'active');
    await atoll.world.stopBehindOurBack(`machine-${id}`);
    await until(async () => (await rowOf(id)).restarts === 1);
    await until(async () => ((await rowOf(id)).observed as { times: number }).times === 2);
    await status(id, 'active');
    expect((await atoll.compute.get(`machine-${id}`))?.state).toBe('running');
    await remove(id);
  });

  it('is told again what it is to do when its guest or its host has booted it', async () => {
    const id = await orderKeeper(atoll, 'woken');
    await status(id, 'active');
    await atoll.world.rebootBehindOurBack(`machine-${id}`);
    await until(async () => ((await rowOf(id)).observed as { times: number }).times === 2);
    expect(await rowOf(id)).toMatchObject({ restarts: 0, boot: 1, status: 'active' });
    await remove(id);
  });

  it('gives back what it needs no more of its host once it is smaller', async () => {
    const id = await orderKeeper(atoll, 'small', { size: { vcpus: 2, memoryMib: 2048, diskGib: 5 } });
    await status(id, 'active');
    await tx((trx) => resizeMachine(trx, id, { vcpus: 1, memoryMib: 512, diskGib: 5 }, at()));
    await until(async () => (await atoll.compute.get(`machine-${id}`))?.size.memoryMib === 512);
    const reserved = () =>
      atoll.database.store.db
        .selectFrom('host_reservations')
        .select(['vcpus', 'dedicated_mib'])
        .where('urn', '=', `do:machine:${id}`)
        .executeTakeFirst();
    await until(async () => (await reserved())?.dedicated_mib === 512);
    expect(await reserved()).toEqual({ vcpus: 1, dedicated_mib: 512 });
    await remove(id);
  });

  it('that cannot be made is given up, whatever its console has printed', async () => {
    vi.spyOn(atoll.compute, 'console').mockResolvedValueOnce('init: \0 oops');
    atoll.world.fail('create', new EngineError('exhausted', 'the pool is full'), 1);
    const id = await orderKeeper(atoll, 'nul');
    await status(id, 'failed');
    expect((await rowOf(id)).console).toBe('init:  oops');
    await remove(id);
  });

  it('may answer what PostgreSQL takes in no text', async () => {
    const id = await orderKeeper(atoll, 'a\0b');
    await status(id, 'active');
    expect((await rowOf(id)).observed).toMatchObject({ kept: 'ab' });
    await remove(id);
  });

  it('is turned off and on, restarted and resized', async () => {
    const id = await orderKeeper(atoll, 'power');
    await status(id, 'active');
    await tx((trx) => setPower(trx, id, 'off', at()));
    await status(id, 'off');
    expect((await atoll.compute.get(`machine-${id}`))?.state).toBe('stopped');
    await tx((trx) => setPower(trx, id, 'on', at()));
    await status(id, 'active');
    await tx((trx) => restartMachine(trx, id, at()));
    await until(async () => (await rowOf(id)).applied_boot === 3);
    await tx((trx) => resizeMachine(trx, id, { vcpus: 2, memoryMib: 1024, diskGib: 1 }, at()));
    await until(async () => (await atoll.compute.get(`machine-${id}`))?.size.vcpus === 2);
    expect((await atoll.compute.get(`machine-${id}`))?.size).toEqual({
      vcpus: 2,
      memoryMib: 1024,
      diskGib: 5,
    });
    await remove(id);
  });

  it('that cannot be made says why, leaves nothing, and can be tried again', async () => {
    atoll.world.fail('create', new EngineError('exhausted', 'the pool is full'), 1);
    const id = await orderKeeper(atoll, 'again');
    await status(id, 'failed');
    expect((await rowOf(id)).reason).toContain('no room');
    await until(async () => (await atoll.host.published(id)) === undefined);
    expect(await atoll.compute.get(`machine-${id}`)).toBeUndefined();
    await tx((trx) => retryMachine(trx, id, at()));
    await status(id, 'active');
    await remove(id);
  });

  it('that was deleted outside of Atoll is lost, and not silently made anew', async () => {
    const id = await orderKeeper(atoll, 'lost');
    await status(id, 'active');
    await atoll.world.deleteBehindOurBack(`machine-${id}`);
    await status(id, 'lost');
    expect((await rowOf(id)).reason).toContain('outside of Atoll');
    await remove(id);
  });

  it('has its secrets sealed in the database, and in no line of the log', async () => {
    const secret = 'correct horse battery staple';
    const file = { path: '/etc/x/key', content: secret, mode: 0o600 };
    const id = await orderKeeper(atoll, secret, { files: [file] });
    await status(id, 'active');
    const { rows } = await sql<{
      text: string;
    }>`select machines::text as text from machines where id = ${id}`.execute(atoll.database.store.db);
    const { observed: _, ...row } = await rowOf(id);
    expect(JSON.stringify(row)).not.toContain(secret);
    expect(rows[0]?.text).toContain('$s1$');
    await remove(id);
    expect(logged).not.toContain(secret);
  });
});
