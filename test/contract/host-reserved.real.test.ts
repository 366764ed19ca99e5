import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hostdHost } from '../../src/engine/node/hostd/host.ts';
import type { Host } from '../../src/engine/node/port.ts';
import { unless, whyNoLab } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { hostDroplet } from './host.contract.ts';
import { hostLab, type Lab } from './host-lab.ts';

describe('reserved addresses of a real hostd', { ...unless(await whyNoLab()), timeout: 60_000 }, () => {
  const ip = '10.89.0.5';
  const one = hostDroplet(1);
  const two = hostDroplet(2);
  const web = (host: string) => ({ host, port: 80 });
  let lab: Lab;
  let host: Host;
  let first: Awaited<ReturnType<Lab['droplet']>>;
  let second: typeof first;
  let outside: typeof first;
  let stops: (() => Promise<void>)[] = [];
  let generation = 1;

  /** Leads an address to a target. */
  const lead = (target?: string, address = ip) =>
    host.publishAddress({ ip: address, ...(target && { target }) }, generation++);
  /** From where to where a request came, or undefined where it was not answered. */
  const reach = async (from: typeof first, to: string) => {
    const answer = await from.ask('/', web(to));
    return answer && { from: answer.headers.from, at: answer.headers.at };
  };

  beforeAll(async () => {
    lab = await hostLab();
    await lab.start();
    host = hostdHost({ socketPath: lab.socketPath });
    await host.publish(one, 1);
    await host.publish(two, 1);
    first = await lab.droplet(one.mac, [one.ipv4, 'fd90::101']);
    second = await lab.droplet(two.mac, [two.ipv4, 'fd90::102']);
    // It also pretends to be a reserved address that is not assigned.
    outside = await lab.outside(['10.88.0.2', 'fd88::2', '10.89.0.99']);
    stops = await Promise.all([first, second, outside].map((machine) => machine.serve(80)));
    // The host's way to the world.
    await lab.inHost('ip', 'route', 'add', 'default', 'via', '10.88.0.2');
  }, 60_000);
  afterAll(async () => {
    for (const stop of stops) await stop();
    await host.close();
    await lab.end();
  }, 60_000);
  beforeEach(async () => {
    await lead();
  });

  it('leads the world and the host to the droplet, and to another as soon as it is reassigned', async () => {
    await lead(one.ipv4);
    expect(await reach(outside, ip)).toEqual({ from: '10.88.0.2', at: one.ipv4 });
    await lead(two.ipv4);
    expect(await lab.inHost('conntrack', '-L', '--orig-dst', ip)).toBe('');
    expect(await reach(outside, ip)).toEqual({ from: '10.88.0.2', at: two.ipv4 });
    const fetched = `fetch('http://${ip}/').then((r) => console.log(r.headers.get('from'), r.headers.get('at')))`;
    expect(await lab.inHost(process.execPath, '-e', fetched)).toBe(`10.90.0.1 ${two.ipv4}\n`);
    await host.withdrawAddress(ip, generation++);
    expect(await reach(outside, ip)).toBeUndefined();
  });

  it('shows what a droplet opens to the world with its reserved address', async () => {
    await lead(one.ipv4);
    expect(await reach(first, '10.88.0.2')).toEqual({ from: ip, at: '10.88.0.2' });
    expect(await reach(second, '10.88.0.2')).toMatchObject({ from: two.ipv4 });
    expect(await reach(first, two.ipv4)).toMatchObject({ from: one.ipv4 });
    await lead(two.ipv4);
    expect(await reach(first, '10.88.0.2')).toMatchObject({ from: one.ipv4 });
    expect(await reach(second, '10.88.0.2')).toMatchObject({ from: ip });
  });

  it.each(['0', '1'])('leads droplets there too, itself included (br_netfilter %s)', async (on) => {
    await lab.inHost('sysctl', '-qw', `net.bridge.bridge-nf-call-iptables=${on}`);
    await lab.inHost('sysctl', '-qw', `net.bridge.bridge-nf-call-ip6tables=${on}`);
    await lead(one.ipv4);
    await lead('fd90::101', 'fd89::5');
    expect(await reach(second, ip)).toEqual({ from: '10.90.0.1', at: one.ipv4 });
    expect(await reach(first, ip)).toEqual({ from: '10.90.0.1', at: one.ipv4 });
    expect(await reach(second, 'fd89::5')).toEqual({ from: 'fd90::1', at: 'fd90::101' });
    expect(await reach(first, 'fd89::5')).toEqual({ from: 'fd90::1', at: 'fd90::101' });
    // Nobody was taught another way.
    expect(await reach(second, ip)).toEqual({ from: '10.90.0.1', at: one.ipv4 });
  });

  it('does the same for IPv6', async () => {
    await lead('fd90::101', 'fd89::5');
    expect(await reach(outside, 'fd89::5')).toEqual({ from: 'fd88::2', at: 'fd90::101' });
    expect(await reach(first, 'fd88::2')).toMatchObject({ from: 'fd89::5' });
    await lead('fd90::102', 'fd89::5');
    expect(await reach(outside, 'fd89::5')).toMatchObject({ at: 'fd90::102' });
    await lead(undefined, 'fd89::5');
    expect(await reach(outside, 'fd89::5')).toBeUndefined();
  });

  it('lets nothing for an unassigned address out, and refuses it at once', async () => {
    for (const address of [ip, '10.89.0.99', 'fd89::99']) {
      expect(await reach(first, address)).toBeUndefined();
      expect(await reach(outside, address === '10.89.0.99' ? ip : address)).toBeUndefined();
    }
    const refused = `require('net').connect(80, '10.89.0.99').on('error', (e) => console.log(e.code))`;
    expect(await lab.inHost(process.execPath, '-e', refused)).toBe('EHOSTUNREACH\n');
  });

  it('keeps leading while hostd is down, over its restart, and heals', async () => {
    await lead(one.ipv4);
    await lab.kill('SIGKILL');
    expect(await reach(outside, ip)).toMatchObject({ at: one.ipv4 });
    await lab.start();
    expect(await host.addresses()).toContainEqual({ ip, target: one.ipv4 });
    expect(await reach(outside, ip)).toMatchObject({ at: one.ipv4 });
    await lab.inHost('nft', 'flush', 'map', 'inet', lab.table, 'reserved4');
    await lab.inHost('ip', 'route', 'del', '10.89.0.0/24');
    expect(await reach(outside, ip)).toBeUndefined();
    await lab.kill('SIGHUP');
    await until(async () => (await reach(outside, ip))?.at === one.ipv4);
    // A change after somebody else's is made all the same.
    await lab.inHost('nft', 'flush', 'ruleset');
    await lead(two.ipv4);
    expect(await reach(outside, ip)).toMatchObject({ at: two.ipv4 });
  });

  it('cuts, after its restart, the connections that it was killed before cutting', async () => {
    await lead(one.ipv4);
    expect(await reach(outside, ip)).toMatchObject({ at: one.ipv4 });
    const entries = () => lab.inHost('conntrack', '-L', '--orig-dst', ip);
    expect(await entries()).not.toBe('');
    await lab.kill('SIGKILL');
    await lab.start();
    expect(await entries()).not.toBe('');
    await lab.kill('SIGKILL');
    // As the kernel and the disk are when it was killed right after it had led the address elsewhere.
    await lab.rewriteAddress(ip, (record) => record.replace(one.ipv4, two.ipv4));
    await lab.start();
    expect(await entries()).toBe('');
    expect(await reach(outside, ip)).toMatchObject({ at: two.ipv4 });
  });

  it('refuses what is no reserved address, or no target', async () => {
    const bad: [string, string?][] = [
      ['10.90.0.101', two.ipv4],
      ['192.0.2.1', two.ipv4],
      [ip, '10.90.0.1'],
      [ip, '192.0.2.1'],
      [ip, 'fd90::101'],
      ['fd89::5', one.ipv4],
      ['fd89:0::5', 'fd90::101'],
      [ip, '10.90.0.101 }; flush ruleset'],
    ];
    for (const [address, target] of bad) {
      await expect(lead(target, address)).rejects.toMatchObject({ kind: 'rejected' });
    }
  });

  it('leaves nothing after --remove', async () => {
    await lead(one.ipv4);
    await lab.kill('SIGTERM');
    expect(await reach(outside, ip)).toMatchObject({ at: one.ipv4 });
    await lab.remove();
    expect(await lab.inHost('ip', 'route')).not.toContain('10.89.');
    expect(await lab.inHost('ip', '-6', 'route')).not.toContain('fd89');
    expect(await lab.hasTable()).toBe(false);
  });
});
