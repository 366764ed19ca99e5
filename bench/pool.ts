/**
 * What the limits of disks cost: a droplet of Atoll's own image is made, boots and is deleted, in a pool as `up` makes it
 * (simple quotas) and in one as Incus makes it (quota groups), in turns, beside others of the same image. Needs root and
 * an image in the cache (`./atoll up`).
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { defaultImageCache } from '../src/host/images/ensure.ts';
import { incusdPid } from '../src/host/incusd.ts';
import { engineOf } from '../test/contract/compute-lab.ts';
import { ensureNetworks, machineSpec } from '../test/contract/compute-under-test.ts';
import { startTestIncus } from '../test/support/incus.ts';
import { cpuSeconds } from './support/processes.ts';
import { ratio, seconds, table, title } from './support/report.ts';

const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: '5' },
    siblings: { type: 'string', default: '8' },
    /** How long each droplet runs, s. */
    runs: { type: 'string', default: '3' },
  },
});
const [samples, siblings, runs] = [values.samples, values.siblings, values.runs].map(Number) as [
  number,
  number,
  number,
];
const image = readdirSync(defaultImageCache).find((name) => name.startsWith('debian-12-'));
if (!image) throw new Error(`there is no image in ${defaultImageCache}: run ./atoll up once`);

/** The kernel's threads that clear up after and commit to any btrfs file system. */
function btrfsThreads(): Set<number> {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  const names = ['btrfs-cleaner', 'btrfs-transaction', 'btrfs-transacti'];
  return new Set(pids.filter((pid) => names.includes(commandOf(pid))));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** An Incus with siblings in its pool, and what is measured in it. */
async function lab(quotas: 'as up' | 'old') {
  const before = btrfsThreads();
  const incus = await startTestIncus({ quotas });
  const threads = [...btrfsThreads()].filter((pid) => !before.has(pid));
  const daemon = [incusdPid(incus.directory) ?? 0];
  const engine = await engineOf(incus);
  const { compute } = engine;
  await compute.importImage('debian', join(defaultImageCache, image ?? ''));
  const spec = (id: number) => machineSpec(engine, id, { source: { image: 'debian' } });
  await ensureNetworks(compute, spec(11));
  /** Until what was deleted is gone from the pool. */
  const cleared = () =>
    execFileSync('sh', ['-c', 'sync; btrfs subvolume sync -s 1 "$1"', 'sh', incus.poolDirectory], {
      stdio: 'ignore',
    });
  for (let id = 100; id < 100 + siblings; id++) {
    await compute.create(spec(id));
    await compute.stop(`droplet-${id}`, { force: true, timeoutMs: 0 });
  }
  cleared();
  return {
    taken: { create: [] as number[], incusd: [] as number[], deletion: [] as number[] },
    async sample() {
      const [daemonAtStart, threadsAtStart] = [cpuSeconds(daemon), cpuSeconds(threads)];
      this.taken.create.push(await seconds(() => compute.create(spec(11))));
      this.taken.incusd.push(cpuSeconds(daemon) - daemonAtStart);
      await delay(runs * 1000);
      await compute.delete('droplet-11');
      cleared();
      this.taken.deletion.push(cpuSeconds(threads) - threadsAtStart);
    },
    remove: () => engine.remove(),
  };
}

title(`A droplet made, run for ${runs} s and deleted beside ${siblings}: simple quotas against quota groups`);
const labs = { simple: await lab('as up'), groups: await lab('old') };
try {
  for (let each = 0; each < samples; each++) for (const one of Object.values(labs)) await one.sample();
  const { simple, groups } = labs;
  const rows = (key: keyof typeof simple.taken) => ({
    'simple quotas': simple.taken[key],
    'quota groups': groups.taken[key],
  });
  table('create until it runs, s', rows('create'), 2);
  table('CPU of incusd for it, s', rows('incusd'), 2);
  table("CPU of the pool's threads until it is gone, s", rows('deletion'), 2);
  ratio('create', rows('create'), { atMost: 1 });
  ratio("CPU of the pool's threads", rows('deletion'), { atMost: 0.25 });
} finally {
  for (const one of Object.values(labs)) await one.remove();
}
