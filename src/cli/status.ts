import { readdirSync, readFileSync } from 'node:fs';
import { type GoldenRow, goldenImages } from '../cloud/golden/index.ts';
import { paths, readConfig } from '../config.ts';
import type { LoopReport } from '../control/operator-port.ts';
import { listQuarantined } from '../control/quarantine.ts';
import type { PoolStatus } from '../hostd/pool.ts';
import { incusdPid } from '../setup/incusd.ts';
import { findDaemon, parseStat } from '../setup/processes.ts';
import { NewerDatabase } from '../store/migrate.ts';
import { defineCommand } from './command.ts';
import { controlName, hostdHealth, hostdName } from './control-plane.ts';
import { withStore } from './database.ts';
import { isHealthy, openApi, publicUrl } from './endpoint.ts';
import { goldenLines } from './golden.ts';
import { findHosts, hostLines, hostReport } from './host-lines.ts';
import { loopLines } from './loop-lines.ts';
import { findMissingBytes } from './missing.ts';
import { findOutdated, outdatedLines } from './outdated.ts';
import { request } from './request.ts';
import { commandFor } from './up-options.ts';

/** What the control loop says of itself, or null where it does not answer. */
async function loopReport(home: string): Promise<LoopReport | null> {
  try {
    const socketPath = paths(home).operatorSocket;
    const { status, body } = await request('http://operator/loop', { socketPath, timeoutMs: 5000 });
    return status === 200 ? (body as LoopReport) : null;
  } catch {
    return null;
  }
}

interface ProcessStatus {
  name: string;
  pid: number | null;
  /** Proportional set size with its children, in bytes; null where this user may not read it. */
  memory: number | null;
}

const kib = 1024;

/** The direct children of a process. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return parseStat(readFileSync(`/proc/${name}/stat`, 'utf8')).parent === pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Memory of a process and its children, shared pages counted by share (proc(5): smaps_rollup, Pss). */
function memoryOf(pid: number): number | null {
  let total = 0;
  for (const each of [pid, ...childrenOf(pid)]) {
    try {
      const rollup = readFileSync(`/proc/${each}/smaps_rollup`, 'utf8');
      total += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * kib;
    } catch {
      if (each === pid) return null;
    }
  }
  return total;
}

/** The number of droplets, or null where the API does not tell. */
async function dropletCount(home: string): Promise<number | null> {
  try {
    const { body } = await openApi(home).call('GET', '/v2/droplets?per_page=1');
    return (body as { meta?: { total?: number } }).meta?.total ?? null;
  } catch {
    return null;
  }
}

/** The images that this home has or makes, or null where the database does not tell. */
async function imagesOfProducts(home: string): Promise<GoldenRow[] | null> {
  try {
    return await withStore(home, readConfig(home), ({ db }) => goldenImages(db));
  } catch {
    return null;
  }
}

/** How much is in quarantine, or why the database does not tell. */
async function quarantinedCount(home: string): Promise<number | Error> {
  try {
    return await withStore(home, readConfig(home), async ({ db }) => (await listQuarantined(db)).length);
  } catch (error) {
    return error as Error;
  }
}

/** How the disks of droplets are limited, in a line. */
export function poolText({ mode, inForce, repairs, repairedAt, trouble }: PoolStatus): string {
  if (mode === undefined) return 'the storage pool is not mounted';
  const how = mode === 'squota' ? 'simple quotas' : 'quota groups';
  const now = inForce ? `disks are limited by ${how}` : `disks are NOT limited: ${how} have lost count`;
  const before = repairs > 0 ? `; counted anew ${repairs} times, last at ${repairedAt}` : '';
  return mode === 'none'
    ? 'disks are NOT limited: no quotas in the pool'
    : now + before + (trouble ? ` (${trouble})` : '');
}

export default defineCommand({
  help: `
Usage: atoll status [--json]

Shows what runs, what hosts have and what is reserved of it, which machines are what an older version made of them until
their next start, and what the control loop has to do: per kind what is due, running, waiting and failing, since when, and
how long it took of late from a request until it was done. Exit code 0 if all does and the API is healthy, 1 otherwise.
`,
  options: { json: { type: 'boolean' } },
  async run({ home, values }) {
    const config = readConfig(home);
    const pids: [string, number | undefined][] = [[controlName, findDaemon(home, controlName)?.pid]];
    if (!config.databaseUrl) pids.push(['postgres', findDaemon(home, 'postgres')?.pid]);
    if (config.mode === 'real') {
      pids.push([hostdName, findDaemon(home, hostdName)?.pid], ['incusd', incusdPid(paths(home).incus)]);
    }
    const processes = pids.map(
      ([name, pid]): ProcessStatus => ({
        name,
        pid: pid ?? null,
        memory: pid === undefined ? null : memoryOf(pid),
      }),
    );
    // Without our process, whoever answers at the port is somebody else.
    const ours = processes.some(({ name, pid }) => name === controlName && pid !== null);
    const healthy = ours && (await isHealthy(config));
    const droplets = healthy ? await dropletCount(home) : null;
    const counted = await quarantinedCount(home);
    const quarantined = typeof counted === 'number' ? counted : null;
    const missing = await findMissingBytes(home, config);
    const hosts = await findHosts(home, config);
    const ok = healthy && processes.every(({ pid }) => pid !== null);
    const loop = healthy ? await loopReport(home) : null;
    const images = await imagesOfProducts(home);
    const outdated = healthy ? await findOutdated(home) : null;
    const pool = (await hostdHealth(home))?.pool;
    const status = {
      home,
      mode: config.mode,
      url: publicUrl(config),
      healthy,
      droplets,
      quarantined,
      missing,
      hosts: hosts?.map(hostReport) ?? null,
      outdated,
      processes,
      loop,
      images,
      ...(pool && { pool }),
    };
    if (values.json) console.log(JSON.stringify(status, undefined, 2));
    else {
      console.log(
        `${status.url} (${config.mode} mode, home ${home}): ${healthy ? 'healthy' : 'does not answer'}`,
      );
      if (counted instanceof NewerDatabase) console.log(counted.message);
      if (droplets !== null) console.log(`${droplets} droplet${droplets === 1 ? '' : 's'}`);
      if (quarantined)
        console.log(`${quarantined} in quarantine, unknown to the database: ${commandFor(home, 'orphans')}`);
      if (pool && !pool.inForce) console.log(poolText(pool));
      if (missing && missing.length > 0)
        console.log(
          `${missing.length} without their bytes, see ./atoll doctor: ${missing.map(({ id }) => id).join(' ')}`,
        );
      for (const line of hostLines(hosts ?? [])) console.log(line);
      for (const line of outdatedLines(outdated ?? [])) console.log(line);
      for (const { name, pid, memory } of processes) {
        const size = memory === null ? '' : `${Math.round(memory / kib / kib)} MB`;
        console.log(
          `  ${pid === null ? '✗' : '✓'} ${name.padEnd(10)}${pid === null ? 'does not run' : `pid ${pid}`.padEnd(14)}${size}`,
        );
      }
      if (processes.some(({ pid }) => pid === null))
        console.log('What does not run is started by: ./atoll up');
      for (const line of goldenLines(images ?? [])) console.log(line);
      for (const line of loop ? loopLines(loop, new Date()) : []) console.log(line);
    }
    return ok ? 0 : 1;
  },
});
