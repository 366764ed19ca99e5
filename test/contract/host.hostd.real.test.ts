import { readdir, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths } from '../../src/config.ts';
import { digest } from '../../src/engine/node/digest.ts';
import { hostdHost } from '../../src/engine/node/hostd/host.ts';
import type { Host, HostDroplet } from '../../src/engine/node/port.ts';
import { unless, whyNoLab } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { hostContract, hostDroplet } from './host.contract.ts';
import { hostLab, type Lab, volumeBytes, volumeLosses } from './host-lab.ts';

describe('with a real hostd', unless(await whyNoLab()), () => {
  hostContract('hostd', async () => {
    const lab = await hostLab();
    await lab.start();
    const host = hostdHost({ socketPath: lab.socketPath });
    const end = async () => {
      await host.close();
      await lab.end();
    };
    return { host, ...volumeBytes(host), ...volumeLosses(lab), end };
  });

  describe('hostd', () => {
    const one = hostDroplet(1, { user_data: '#!/bin/sh\nsecret' });
    const two = hostDroplet(2);
    let lab: Lab;
    let host: Host;
    let first: Awaited<ReturnType<Lab['droplet']>>;
    let second: Awaited<ReturnType<Lab['droplet']>>;

    beforeAll(async () => {
      lab = await hostLab();
      await lab.start();
      await until(async () => (await lab.health())?.metadata === true);
      host = hostdHost({ socketPath: lab.socketPath });
      await host.publish(one, 1);
      await host.publish(two, 1);
      // The first also holds the second's address and one that is nobody's, to pretend with.
      first = await lab.droplet(one.mac, [one.ipv4, two.ipv4, '10.90.0.77']);
      second = await lab.droplet(two.mac, [two.ipv4]);
    }, 60_000);
    afterAll(async () => {
      await host.close();
      await lab.end();
    }, 60_000);

    const document = async (droplet: typeof first, options: object = {}) => {
      const answer = await droplet.ask('/metadata/v1.json', options);
      return answer && answer.status === 200 ? JSON.parse(answer.body) : answer;
    };
    const asFirst = { localAddress: one.ipv4 };

    it('tells each droplet about itself, whatever the headers say', async () => {
      expect(await document(first, asFirst)).toEqual(one.metadata);
      expect(await document(second)).toEqual(two.metadata);
      expect(await document(second, { headers: { 'X-Forwarded-For': one.ipv4 } })).toEqual(two.metadata);
      expect((await first.ask('/metadata/v1/', asFirst))?.body).toMatch(/^id\nhostname\nuser-data\n/);
    });

    it('answers an unknown source with an empty 404, and a forged one not at all', async () => {
      const unknown = await document(first, { localAddress: '10.90.0.77' });
      expect(unknown).toMatchObject({ status: 404, body: '' });
      // The permanent neighbour entry leads the answer to the true holder of the address.
      expect(await document(first, { localAddress: two.ipv4 })).toBeUndefined();
    });

    it('only lets itself be read', async () => {
      expect(await second.ask('/metadata/v1/id', { method: 'HEAD' })).toMatchObject({
        status: 200,
        body: '',
      });
      for (const method of ['POST', 'PUT', 'DELETE']) {
        expect(await second.ask('/metadata/v1/id', { method })).toMatchObject({ status: 405, body: '' });
      }
    });

    it('keeps droplets off the host, but for DNS and metadata; the host reaches droplets', async () => {
      const third = await lab.droplet('02:a7:00:00:00:88', ['10.90.0.88']);
      const stops = [
        await lab.serve(9999),
        await lab.serve(53),
        await second.serve(80),
        await third.serve(80),
      ];
      try {
        const gateway = { host: '10.90.0.1' };
        expect(await second.ask('/', { ...gateway, port: 9999 })).toBeUndefined();
        expect(await second.ask('/', { ...gateway, port: 53 })).toMatchObject({ body: 'hello' });
        expect(await second.ask('/', { host: '10.90.0.88', port: 80 })).toMatchObject({ body: 'hello' });
        const fetched = `fetch('http://${two.ipv4}/').then((r) => r.text()).then(console.log)`;
        expect(await lab.inHost(process.execPath, '-e', fetched)).toBe('hello\n');
      } finally {
        for (const stop of stops) await stop();
      }
    });

    it('routes nothing out of the network of a VPC', async () => {
      await lab.addBridge(lab.vpcBridge, '02:a7:ff:00:00:02');
      const inside = await lab.droplet('02:a7:00:00:ff:01', ['10.91.0.5'], lab.vpcBridge);
      const neighbour = await lab.droplet('02:a7:00:00:ff:02', ['10.91.0.6'], lab.vpcBridge);
      // The worst case: a host that routes, and knows the way back.
      await lab.inHost('sysctl', '-qw', 'net.ipv4.ip_forward=1');
      await lab.inHost('ip', 'route', 'add', '10.91.0.0/24', 'dev', lab.vpcBridge);
      const stops = [await second.serve(80), await neighbour.serve(80), await lab.serve(53)];
      const publicDroplet = { host: two.ipv4, port: 80 };
      try {
        expect(await inside.ask('/', { host: '10.91.0.6', port: 80 })).toMatchObject({ body: 'hello' });
        expect(await inside.ask('/', publicDroplet)).toBeUndefined();
        expect(await inside.ask('/', { host: '10.90.0.1', port: 53 })).toBeUndefined();
        expect(await inside.ask('/metadata/v1.json')).toBeUndefined();
        await lab.inHost('nft', 'delete', 'table', 'inet', lab.table);
        expect(await inside.ask('/', publicDroplet)).toMatchObject({ body: 'hello' });
        await lab.kill('SIGHUP');
        await until(() => lab.hasTable());
        expect(await inside.ask('/', publicDroplet)).toBeUndefined();
      } finally {
        for (const stop of stops) await stop();
      }
    });

    it('refuses what is no entry, and keeps what it had', async () => {
      const bad = [
        { ...one, ipv4: '10.91.0.5' },
        { ...one, ipv4: '10.90.0.1' },
        { ...one, mac: 'aa:bb' },
        { ...one, mac: `${one.mac}\nneigh flush all` },
        { ...one, ipv6: 'fd90::5%eth0' },
        { ...one, metadata: { ...one.metadata, droplet_id: 99 } },
        { ...one, metadata: { ...one.metadata, user_data: 'x'.repeat(64 * 1024 + 1) } },
        { ...one, metadata: { ...one.metadata, user_data: 'x'.repeat(5 * 1024 * 1024) } },
      ];
      for (const entry of bad) {
        await expect(host.publish(entry, 9)).rejects.toMatchObject({
          kind: expect.stringMatching(/rejected/),
        });
      }
      expect(await document(first, asFirst)).toEqual(one.metadata);
    });

    it('keeps its state to its owner', async () => {
      const { hostdState } = paths(lab.home);
      expect((await stat(hostdState)).mode & 0o777).toBe(0o700);
      for (const name of await readdir(`${hostdState}/droplets`)) {
        expect((await stat(`${hostdState}/droplets/${name}`)).mode & 0o777).toBe(0o600);
      }
      expect((await stat(lab.socketPath)).mode & 0o777).toBe(0o660);
    });

    it('serves the same after kill -9, before anybody talks to it', async () => {
      const before = await lab.neighbours();
      expect(before).toContain(`${one.ipv4} ${one.mac}`);
      expect(before).toContain(`${two.ipv6} ${two.mac}`);
      await lab.kill('SIGKILL');
      expect(await lab.hasTable()).toBe(true);
      expect(await lab.neighbours()).toEqual(before);
      await expect(host.list()).rejects.toMatchObject({ kind: 'unavailable' });
      // What happens behind its back meanwhile is mended at the start.
      await lab.inHost('ip', 'neigh', 'del', one.ipv4, 'dev', lab.bridge);
      await lab.start();
      await until(async () => (await lab.health())?.metadata === true);
      expect(await document(first, asFirst)).toEqual(one.metadata);
      expect(await lab.neighbours()).toEqual(before);
      await expect(host.publish(one, 0)).rejects.toMatchObject({ kind: 'rejected' });
    });

    it('loses nothing that it acknowledged when it is killed at work', async () => {
      const many = Array.from({ length: 40 }, (_, index) => hostDroplet(50 + index));
      let acknowledged = 0;
      const publish = async (entry: HostDroplet) => {
        await host.publish(entry, 1);
        if (++acknowledged === 10) await lab.kill('SIGKILL');
      };
      const results = await Promise.allSettled(many.map(publish));
      await lab.start();
      const kept = many.filter((_, index) => results[index]?.status === 'fulfilled');
      for (const entry of kept) expect(await host.published(entry.id)).toBe(digest(entry));
      expect(acknowledged).toBeGreaterThanOrEqual(10);
      await Promise.all(many.map((entry) => host.withdraw(entry.id, 2)));
    });

    it('heals what somebody else changes', async () => {
      const before = await lab.neighbours();
      await lab.inHost('nft', 'flush', 'ruleset');
      await lab.inHost('ip', 'neigh', 'del', one.ipv4, 'dev', lab.bridge);
      await lab.inHost(
        'ip',
        'neigh',
        'replace',
        '10.90.0.66',
        'lladdr',
        one.mac,
        'dev',
        lab.bridge,
        'nud',
        'permanent',
      );
      await lab.kill('SIGHUP');
      await until(async () => (await lab.neighbours()).join() === before.join());
      expect(await document(second)).toEqual(two.metadata);
    });

    it('refuses to run twice in one home', async () => {
      const again = lab.inHost(process.execPath, 'src/hostd/main.ts', '--home', lab.home, '--group', 'root');
      await expect(again).rejects.toMatchObject({
        code: 1,
        stdout: expect.stringContaining('another hostd'),
      });
      expect(await host.list()).toContain(1);
    });

    it('leaves everything in force at SIGTERM, and nothing after --remove', async () => {
      await lab.kill('SIGTERM');
      expect(await lab.hasTable()).toBe(true);
      expect(await lab.neighbours()).not.toEqual([]);
      await lab.remove();
      expect(await lab.hasTable()).toBe(false);
      expect(await lab.neighbours()).toEqual([]);
      expect(await readdir(lab.home)).not.toContain('hostd');
      await lab.remove();
    });
  }, 60_000);

  it('waits for the public network', async () => {
    const lab = await hostLab({ bridge: false });
    const host = hostdHost({ socketPath: lab.socketPath });
    try {
      await lab.start();
      expect(await lab.health()).toMatchObject({
        metadata: false,
        trouble: expect.stringContaining('find device'),
      });
      await expect(host.publish(hostDroplet(1), 1)).rejects.toMatchObject({ kind: 'failed' });
      await lab.addBridge();
      await until(async () => (await lab.health())?.metadata === true);
      await host.publish(hostDroplet(1), 1);
      expect(await lab.neighbours()).toHaveLength(2);
    } finally {
      await host.close();
      await lab.end();
    }
  }, 60_000);
});
