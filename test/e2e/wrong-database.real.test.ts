/** A new, a lost and an older database beside living machines, from the launcher down to Incus: nothing is destroyed. */
import { execFile } from 'node:child_process';
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths } from '../../src/config.ts';
import type { Orphan } from '../../src/orphans.ts';
import { findDaemon, stopDaemon } from '../../src/setup/processes.ts';
import { atollCli } from '../support/cli.ts';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type RealAtoll, startRealAtoll } from '../support/real-atoll.ts';
import { sshBanner } from '../support/ssh.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

let real: RealAtoll;
let socket: string;
beforeAll(async () => {
  real = await startRealAtoll();
  socket = paths(real.home).postgresSocket;
});
afterAll(() => real?.destroy());

const admin = (sql: string) => run('psql', ['-h', socket, '-U', 'postgres', '-d', 'postgres', '-c', sql]);
const call = (status: number, method: string, path: string, body?: object) =>
  real.api.expect(status, method, path, body);

async function newDroplet(name: string): Promise<{ id: number; address: string; machine: string }> {
  const order = { name, region: 'nyc3', size: 's-1vcpu-512mb-10gb', image: 'debian-12-x64' };
  const { droplet, links } = await call(202, 'POST', '/v2/droplets', order);
  expect(await real.api.ended(links.actions[0].id)).toMatchObject({ status: 'completed' });
  const { networks } = (await call(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet;
  const machine = (await real.api.machines(real.home)).find((path) =>
    path.includes(`-droplet-${droplet.id}-`),
  );
  return { id: droplet.id, address: networks.v4[0].ip_address, machine: machine ?? '' };
}

/** All that would be gone if it were taken for nobody's. */
async function held() {
  const { stdout } = await run('ls', [paths(real.home).volumes]);
  const all = await real.api.machines(real.home);
  // Of droplets: an image that is being made ready has one for a moment, too.
  const machines = all.filter((name) => /-(droplet|image)-/.test(name)).sort();
  return { machines, volumes: stdout };
}

/** `up` refuses, says what it found, and leaves everything as it is. */
async function expectRefusal(before: Awaited<ReturnType<typeof held>>, ...args: string[]) {
  const token = readFileSync(paths(real.home).token, 'utf8');
  const refused = await atollCli(real.home)('up', ...args);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/database .*knows nothing/);
  expect(refused.stderr).toMatch(/machines .*: \d machines?, 1 kept disk/);
  expect(refused.stderr).toMatch(/host .*: \d host entr(y|ies), 1 volume, \d reserved address/);
  expect(refused.stderr).toContain('--accept-database');
  expect(findDaemon(real.home, 'control')).toBeUndefined();
  expect(await held()).toEqual(before);
  expect(readFileSync(paths(real.home).token, 'utf8')).toBe(token);
}

const orphans = async (): Promise<Orphan[]> => JSON.parse(await real.atoll('orphans', '--json')).orphans;

describe('another database beside living machines', unless(await whyNoAtoll()), () => {
  it('destroys nothing, whether it is new, lost or older', async () => {
    const a = await newDroplet('a');
    const volume = await call(201, 'POST', '/v2/volumes', {
      name: 'data',
      region: 'nyc3',
      size_gigabytes: 1,
    });
    const attach = await call(202, 'POST', `/v2/volumes/${volume.volume.id}/actions`, {
      type: 'attach',
      droplet_id: a.id,
    });
    expect(await real.api.ended(attach.action.id)).toMatchObject({ status: 'completed' });
    const reserved = await call(202, 'POST', '/v2/reserved_ips', { droplet_id: a.id });
    await real.api.ended(reserved.links.actions[0].id);
    await real.api.act(a.id, { type: 'snapshot', name: 'kept' });
    const dump = join(real.home, 'run', 'older.sql');
    await run('pg_dump', ['-h', socket, '-U', 'atoll', '-f', dump, 'atoll']);
    const b = await newDroplet('b');
    const later = (await call(202, 'POST', '/v2/reserved_ips', { region: 'nyc3' })).reserved_ip.ip as string;
    await until(
      async () => (await call(200, 'GET', `/v2/reserved_ips/${later}`)).reserved_ip.locked === false,
    );
    const before = await held();
    expect(before.machines).toHaveLength(3);

    // 1. A new database.
    await admin('create database other owner atoll');
    await expectRefusal(before, '--database-url', `postgres://atoll@/other?host=${socket}`);
    for (const { address } of [a, b]) await sshBanner(address);
    // The next `up` goes on with the one of before, and no token was made in the other.
    await real.atoll('up');
    expect((await call(200, 'GET', '/v2/droplets')).meta.total).toBe(2);

    // 2. The data directory is lost.
    await real.atoll('down');
    const data = paths(real.home).postgresData;
    renameSync(data, `${data}.kept`);
    await expectRefusal(before);
    for (const { address } of [a, b]) await sshBanner(address);
    await real.atoll('down');
    rmSync(data, { recursive: true });
    renameSync(`${data}.kept`, data);

    // 3. A dump from before the last creates.
    await real.atoll('up');
    await stopDaemon(real.home, 'control');
    await admin('drop database atoll with (force)');
    await admin('create database atoll owner atoll');
    await run('psql', ['-h', socket, '-U', 'atoll', '-d', 'atoll', '-q', '-f', dump]);
    await real.atoll('up');
    const c = await newDroplet('c');
    expect(c.id).toBeGreaterThan(b.id);
    expect(c.address).not.toBe(b.address);
    const next = await call(202, 'POST', '/v2/reserved_ips', { region: 'nyc3' });
    expect(next.reserved_ip.ip).not.toBe(later);
    expect((await held()).machines).toEqual([...before.machines, c.machine].sort());
    for (const { address } of [a, b, c]) await sshBanner(address);
    expect((await call(200, 'GET', `/v2/droplets/${a.id}`)).droplet).toMatchObject({
      status: 'active',
      volume_ids: [volume.volume.id],
    });
    await call(404, 'GET', `/v2/droplets/${b.id}`);
    const found = await orphans();
    expect(found.map(({ kind, urn }) => `${kind} ${urn}`).sort()).toEqual([
      `host entry do:droplet:${b.id}`,
      `machine do:droplet:${b.id}`,
      `reserved address do:reservedip:${later}`,
    ]);
    expect(found.find(({ kind }) => kind === 'machine')?.createdAt).toBeDefined();
    expect(JSON.parse(await real.atoll('status', '--json'))).toMatchObject({ quarantined: 3 });
    expect(await real.atoll('doctor')).toContain(`do:droplet:${b.id}`);

    // It is removed by the operator alone, also while the control plane is stopped.
    await stopDaemon(real.home, 'control');
    const name = found.find(({ kind }) => kind === 'machine')?.name ?? '';
    expect((await atollCli(real.home)('orphans', '--remove', name)).code).toBe(1);
    expect((await held()).machines).toContain(b.machine);
    await real.atoll('orphans', '--remove', name, later, '--yes');
    expect((await held()).machines).not.toContain(b.machine);
    expect(await orphans()).toEqual([]);
    await real.atoll('up');
    expect(JSON.parse(await real.atoll('status', '--json'))).toMatchObject({ healthy: true, quarantined: 0 });
    for (const { address } of [a, c]) await sshBanner(address);
  });
});
