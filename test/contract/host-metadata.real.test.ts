import { readdir, readFile, readlink } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostdHost } from '../../src/engine/node/hostd/host.ts';
import type { Host } from '../../src/engine/node/port.ts';
import { unless, whyNoLab } from '../support/obstacles.ts';
import { until } from '../support/until.ts';
import { hostDroplet } from './host.contract.ts';
import { hostLab, type Lab } from './host-lab.ts';

describe('the process of the metadata service', { ...unless(await whyNoLab()), timeout: 60_000 }, () => {
  const one = hostDroplet(1, { user_data: `#!/bin/sh\n# \u2028\n${'ü'.repeat(32_000)}` });
  const two = hostDroplet(2);
  let lab: Lab;
  let host: Host;
  let machine: Awaited<ReturnType<Lab['droplet']>>;

  const document = async () => {
    const answer = await machine.ask('/metadata/v1.json');
    return answer?.status === 200 ? JSON.parse(answer.body) : answer?.status;
  };
  async function pidOf(): Promise<number> {
    let found: number | undefined;
    await until(async () => {
      found = (await lab.health())?.metadata ? await lab.metadataProcess() : undefined;
      return found !== undefined;
    });
    return found ?? 0;
  }
  /** Also a zombie, which whoever took it over is to reap, has no command line. */
  const isGone = async (pid: number) => !(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));

  beforeAll(async () => {
    lab = await hostLab();
    await lab.start();
    host = hostdHost({ socketPath: lab.socketPath });
    // Before it serves.
    await Promise.all([host.publish(one, 1), host.publish(two, 1)]);
    machine = await lab.droplet(one.mac, [one.ipv4]);
  }, 60_000);
  afterAll(async () => {
    await host.close();
    await lab.end();
  }, 60_000);

  it('has no privileges, network or environment, in any of its threads', async () => {
    const pid = await pidOf();
    const threads = await readdir(`/proc/${pid}/task`);
    expect(threads.length).toBeGreaterThan(1);
    for (const thread of threads) {
      const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8');
      const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1];
      expect(field('Uid')).toBe('65530\t65530\t65530\t65530');
      expect(field('Gid')).toBe('65530\t65530\t65530\t65530');
      expect(field('Groups')).toBe('');
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) expect(field(set)).toBe('0'.repeat(16));
      expect(field('NoNewPrivs')).toBe('1');
    }
    expect(await readFile(`/proc/${pid}/environ`, 'utf8')).toMatch(/^PATH=[^\0]*\0$/);
    const links = await readFile(`/proc/${pid}/net/dev`, 'utf8');
    expect(links.match(/^\s*\S+:/gm)).toEqual(['    lo:']);
    const namespace = (of: number | string) => readlink(`/proc/${of}/ns/ipc`);
    expect(await namespace(pid)).not.toBe(await namespace('self'));
  });

  it('knows what is published, and what is not any more, when that is acknowledged', async () => {
    expect(await document()).toEqual(one.metadata);
    for (const generation of [2, 3, 4]) {
      const entry = hostDroplet(1, { hostname: `name-${generation}` });
      await host.publish(entry, generation);
      expect(await document()).toEqual(entry.metadata);
    }
    await host.withdraw(1, 5);
    expect(await document()).toBe(404);
    // The address goes to another droplet.
    const next = { ...hostDroplet(3), mac: one.mac, ipv4: one.ipv4 };
    await host.publish(next, 1);
    expect(await document()).toEqual(next.metadata);
    await host.withdraw(3, 2);
    await host.publish(one, 6);
    expect(await document()).toEqual(one.metadata);
  });

  it('is started again after kill -9, with everything', async () => {
    const pid = await pidOf();
    process.kill(pid, 'SIGKILL');
    const changed = hostDroplet(1, { hostname: 'changed-meanwhile' });
    await host.publish(changed, 7);
    expect(await document()).toEqual(changed.metadata);
    expect(await pidOf()).not.toBe(pid);
  });

  it('ends with hostd, however that ends, and makes room for the next', async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const pid = await pidOf();
      await lab.kill(signal);
      await until(() => isGone(pid));
      await lab.start();
      await pidOf();
      expect(await machine.ask('/metadata/v1/hostname')).toMatchObject({ body: 'changed-meanwhile' });
    }
  });
});
