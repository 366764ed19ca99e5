/** Golden images on this machine: built by hostd, unpacked with this home's authority, and machines made of them. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths, poolName, publicBridge, readConfig } from '../../src/config.ts';
import { incusCompute } from '../../src/engine/compute/incus/index.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import { builtImage, clearAbandoned } from '../../src/setup/images/start-build.ts';
import { mountsBelow } from '../../src/setup/mounts-below.ts';
import { leftovers } from '../support/leftovers.ts';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type RealAtoll, startRealAtoll } from '../support/real-atoll.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
let real: RealAtoll;
let compute: Compute;
beforeAll(async () => {
  real = await startRealAtoll();
  compute = incusCompute({
    socketPath: paths(real.home).incusSocket,
    id: real.id,
    pool: poolName,
    publicNetwork: publicBridge(real.id),
  });
});
afterAll(async () => {
  await compute?.close();
  await real?.destroy();
});

/** Runs a shell line in a machine. */
async function inside(machine: string, line: string): Promise<string> {
  const env = { ...process.env, INCUS_DIR: paths(real.home).incus };
  const { stdout } = await run('incus', ['exec', `at${real.id}-${machine}`, '--', 'sh', '-c', line], { env });
  return stdout.trim();
}

describe('golden images', unless(await whyNoAtoll()), () => {
  it('a droplet of an image that up did not wait for can be ordered at once', async () => {
    const { images } = await real.api.expect(200, 'GET', '/v2/images?per_page=200');
    expect(images.map(({ slug }: { slug: string }) => slug)).toContain('debian-13-x64');
    const { droplet } = await real.api.expect(202, 'POST', '/v2/droplets', {
      name: 'soon',
      region: 'nyc3',
      size: 's-1vcpu-512mb-10gb',
      image: 'debian-13-x64',
    });
    const status = async () =>
      (await real.api.expect(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet.status as string;
    await until(async () => (await status()) === 'active', 240_000, 'the droplet runs', 250);
  });

  it('up builds ahead what products need, and status shows it', async () => {
    const told = await real.atoll('up', '--listen', '0.0.0.0', '--with', 'balancers');
    expect(told).toMatch(/✓ image edge .* MB/);
    expect(await real.atoll('status')).toMatch(/✓ image edge .* MB, built \d{4}-/);
    await expect(real.atoll('up', '--with', 'toasters')).rejects.toThrow(/balancers, databases/);
  });

  it('a machine of it boots, trusts the authority of this home, and has HAProxy', async () => {
    const copy = (await compute.listSnapshots()).find(({ urn }) => urn === 'do:golden:edge');
    expect(copy?.bytes).toBeLessThan(200e6);
    const [a, b] = readConfig(real.home).publicNetwork.ipv4.split('.');
    await compute.create({
      urn: 'do:machine:1',
      name: 'machine-1',
      source: { snapshot: copy?.name ?? '' },
      vcpus: 1,
      memoryMib: 512,
      diskGib: 10,
      root: 1,
      boot: 1,
      volumes: [],
      nics: [
        {
          network: 'public',
          mac: `10:66:6a:${real.id.slice(0, 2)}:${real.id.slice(2)}:01`,
          ipv4: { address: `${a}.${b}.250.1`, prefix: 16, gateway: `${a}.${b}.0.1` },
        },
      ],
    });
    await until(
      async () => (await inside('machine-1', 'systemctl is-system-running 2>&1 || true')) === 'running',
      60_000,
      'its system runs',
      250,
    );
    expect(await inside('machine-1', 'haproxy -v')).toContain('HAProxy version 3.');
    const authority = '/usr/local/share/ca-certificates/atoll.crt';
    expect(await inside('machine-1', `openssl verify ${authority}`)).toBe(`${authority}: OK`);
    const bundle = '-no-CApath -CAfile /etc/ssl/certs/ca-certificates.crt';
    expect(await inside('machine-1', `openssl verify ${bundle} ${authority}`)).toBe(`${authority}: OK`);
    await compute.delete('machine-1');
  });

  it('one build at a time: others stand in line, and what is killed leaves nothing', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'atoll-builds-'));
    try {
      const steps: string[][] = [[], []];
      const ends = steps.map(() => new AbortController());
      const builds = (['edge', 'database'] as const).map((name, index) =>
        builtImage(name, {
          cacheDir,
          signal: ends[index]?.signal ?? never,
          step: (doing) => void steps[index]?.push(doing),
        }).then(
          () => 'built',
          () => 'killed',
        ),
      );
      const busy = () => steps.findIndex((each) => each.some((step) => step.startsWith('running apt')));
      await until(() => busy() >= 0, 60_000, 'one of them is at work');
      const [first, second] = busy() === 0 ? [0, 1] : [1, 0];
      expect(steps[second]).toEqual(['waiting for another build on this machine']);
      ends[first]?.abort();
      await until(() => (steps[second] ?? []).length > 1, 60_000, 'it is the turn of the other');
      ends[second]?.abort();
      expect(await Promise.all(builds)).toEqual(['killed', 'killed']);
      expect(mountsBelow(cacheDir)).toEqual([]);
      await clearAbandoned(cacheDir);
      expect(await readdir(cacheDir)).toEqual(['.lock']);
    } finally {
      await rm(cacheDir, { recursive: true });
    }
  });

  it('what a killed build of an older version has left mounted is not removed with it', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'atoll-builds-'));
    const [kept, mounted] = [join(cacheDir, 'kept'), join(cacheDir, '.build-old/rootfs/dev')];
    try {
      await mkdir(kept);
      await writeFile(join(kept, 'null'), '');
      await mkdir(mounted, { recursive: true });
      await run('mount', ['--bind', kept, mounted]);
      await clearAbandoned(cacheDir);
      expect(await readdir(kept)).toEqual(['null']);
      expect((await readdir(cacheDir)).toSorted()).toEqual(['.lock', 'kept']);
    } finally {
      for (const target of mountsBelow(cacheDir)) await run('umount', [target]);
      await rm(cacheDir, { recursive: true });
    }
  });

  it('destroy leaves nothing behind', async () => {
    await real.atoll('destroy', '--yes', '--keep-cache');
    expect(leftovers(real.home, real.id)).toEqual([]);
  });
});
