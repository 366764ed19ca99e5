/** The whole, as a person uses it: real droplets on this machine, from `up` to `destroy`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findDaemon } from '../../src/setup/processes.ts';
import { amount } from '../support/campaign.ts';
import { leftovers } from '../support/leftovers.ts';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type RealAtoll, startRealAtoll } from '../support/real-atoll.ts';
import type { RemoteClient } from '../support/remote-client.ts';
import { ssh, sshBanner } from '../support/ssh.ts';
import { until } from '../support/until.ts';

let real: RealAtoll;
let api: RemoteClient;
let home: string;
/** So many droplets are ordered at once. */
const many = amount({ gate: 12, campaign: 50 });
beforeAll(async () => {
  real = await startRealAtoll();
  ({ api, home } = real);
});
afterAll(() => real?.destroy());
const atoll = (...args: string[]) => real.atoll(...args);

/** The process that the pid file of a daemon names. */
const pidOf = (name: string): number => findDaemon(home, name)?.pid ?? 0;

describe('first light', unless(await whyNoAtoll()), () => {
  it('try orders a droplet that runs its user data and answers on SSH', async () => {
    const told = await atoll('try');
    for (const mark of ['POST accepted', 'running', 'sshd answers', 'cloud-init done', 'ssh -o']) {
      expect(told).toContain(mark);
    }
  });

  it('a droplet is what was ordered: name, size, addresses, metadata, packages', async () => {
    const { droplets } = await api.expect(200, 'GET', '/v2/droplets');
    const [droplet] = droplets;
    const address = droplet.networks.v4[0].ip_address;
    const inside = await ssh(home, address, [
      'hostname',
      'nproc',
      "awk '/MemTotal/ {print $2}' /proc/meminfo",
      'curl -s http://169.254.169.254/metadata/v1/id',
      'systemctl is-system-running',
      'cloud-init status',
      "ip -4 -o addr show dev eth1 | grep -o 'inet [0-9.]*'",
    ]);
    const [private4] = droplet.networks.v4.slice(1);
    expect(inside).toEqual([
      droplet.name,
      '1',
      String(1024 * 1024),
      String(droplet.id),
      'running',
      'status: done',
      `inet ${private4.ip_address}`,
    ]);
  });

  it('powers off and on, reboots and renames for real', async () => {
    const { droplet, address } = await api.droplet({ name: 'acts' });
    const startOfInit = async () => {
      await sshBanner(address);
      return (await ssh(home, address, ["cut -d' ' -f22 /proc/1/stat"]))[0];
    };
    const first = await startOfInit();
    await api.act(droplet.id, { type: 'reboot' });
    expect(await startOfInit()).not.toBe(first);
    await api.act(droplet.id, { type: 'shutdown' });
    expect((await api.expect(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet.status).toBe('off');
    await api.act(droplet.id, { type: 'power_on' });
    await sshBanner(address);
    await api.act(droplet.id, { type: 'power_cycle' });
    await sshBanner(address);
    await api.act(droplet.id, { type: 'rename', name: 'renamed' });
    expect(await ssh(home, address, ['curl -s http://169.254.169.254/metadata/v1/hostname'])).toEqual([
      'renamed',
    ]);
    // A machine that is shut down from inside is seen as off, and stays off.
    await ssh(home, address, ['(sleep 0.3; poweroff) >/dev/null 2>&1 &']);
    await until(
      async () => (await api.expect(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet.status === 'off',
      60_000,
      'the droplet is seen as off',
      250,
    );
    await api.expect(204, 'DELETE', `/v2/droplets/${droplet.id}`);
  });

  it('says what runs, and that nothing is in the way', async () => {
    const status = JSON.parse(await atoll('status', '--json')) as { healthy: boolean; mode: string };
    expect(status).toMatchObject({ healthy: true, mode: 'real' });
    expect(await atoll('doctor')).toContain('root');
  });

  it('keeps droplets running while the control plane is down, and takes them up again', async () => {
    const { droplets } = await api.expect(200, 'GET', '/v2/droplets');
    const address = droplets[0].networks.v4[0].ip_address;
    await atoll('down');
    await sshBanner(address);
    await atoll('up');
    await sshBanner(address);
    expect((await api.expect(200, 'GET', `/v2/droplets/${droplets[0].id}`)).droplet.status).toBe('active');
  });

  it(`honours every 202 when all of the control plane is killed in the middle of ${many} creates`, async () => {
    const before = (await api.expect(200, 'GET', '/v2/droplets?per_page=200')).meta.total as number;
    const size = 's-1vcpu-512mb-10gb';
    const order = { region: 'nyc3', size, image: 'debian-12-x64', tags: ['many'] };
    const accepted = await Promise.all(
      Array.from({ length: many }, (_, n) =>
        api.expect(202, 'POST', '/v2/droplets', { ...order, name: `many-${n}` }),
      ),
    );
    await until(
      async () => {
        const { droplets } = await api.expect(200, 'GET', '/v2/droplets?tag_name=many&per_page=200');
        return droplets.filter((each: { status: string }) => each.status === 'active').length >= many / 5;
      },
      120_000,
      'some of them run',
      250,
    );
    for (const name of ['control', 'hostd', 'postgres']) process.kill(pidOf(name), 'SIGKILL');
    await atoll('up');
    for (const { links } of accepted) expect((await api.ended(links.actions[0].id)).status).toBe('completed');
    const { droplets, meta } = await api.expect(200, 'GET', '/v2/droplets?tag_name=many&per_page=200');
    expect(meta.total).toBe(many);
    expect(new Set(droplets.map((each: { name: string }) => each.name)).size).toBe(many);
    expect(new Set(droplets.map((each: { status: string }) => each.status))).toEqual(new Set(['active']));
    expect(await api.machines(home)).toHaveLength(before + many);
    for (const each of droplets) await sshBanner(each.networks.v4[0].ip_address, 120_000);
    await api.expect(204, 'DELETE', '/v2/droplets?tag_name=many');
    await until(async () => (await api.machines(home)).length === before, 120_000, 'they are gone', 250);
  });

  it('destroy leaves nothing behind', async () => {
    await atoll('destroy', '--yes', '--keep-cache');
    expect(leftovers(home, real.id)).toEqual([]);
  });
});
