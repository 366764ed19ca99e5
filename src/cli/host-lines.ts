/** Hosts for the operator: what each has, what is promised of it, and whether that is more than the rule allows. */
import { disksOf, type HostState, hostStates, memoryOf, volumesOf } from '../cloud/hosts/index.ts';
import type { Config } from '../config.ts';
import type { Finding } from '../setup/capabilities.ts';
import { withStore } from './database.ts';

/** All hosts; null where the database does not tell. */
export async function findHosts(home: string, config: Config): Promise<HostState[] | null> {
  try {
    return await withStore(home, config, ({ db }) => hostStates(db));
  } catch {
    return null;
  }
}

const gib = 2 ** 30;
const inGib = (bytes: number | null) => (bytes === null ? null : Math.round((bytes / gib) * 10) / 10);

/** A host as `status --json` prints it. Memory in MiB, all else in GiB; null: no limit. */
export function hostReport(host: HostState) {
  const [memory, disks, volumes] = [memoryOf(host), disksOf(host), volumesOf(host)];
  const free = (of: { total: number; used: number } | undefined) =>
    of ? Math.floor(of.total - of.used) : null;
  return {
    name: host.name,
    seenAt: host.seen_at,
    things: host.things,
    cpus: { total: host.cpus, promised: host.vcpus },
    memoryMib: {
      total: host.memory_mib,
      kept: host.kept_memory_mib,
      /** Of the rest; what is shared counts by its share. */
      reserved: Math.ceil(memory?.used ?? host.dedicated_mib + host.shared_mib / host.memory_ratio),
      free: free(memory),
      dedicated: host.dedicated_mib,
      shared: host.shared_mib,
      ratio: host.memory_ratio,
    },
    diskGib: {
      pool: inGib(host.pool_bytes),
      freeNow: inGib(host.pool_free_bytes),
      ratio: host.disk_ratio,
      reserved: host.disk_gib,
      free: free(disks),
    },
    volumesGib: {
      disk: inGib(host.volumes_bytes),
      freeNow: inGib(host.volumes_free_bytes),
      ratio: host.disk_ratio,
      reserved: host.volume_gib,
      free: free(volumes),
    },
  };
}

/** Where more is promised than the rule allows, nothing is free. */
const left = (free: number | null) => Math.max(0, free ?? 0);

/** Four lines for each host. */
export function hostLines(hosts: readonly HostState[]): string[] {
  return hosts.flatMap((host) => {
    const { memoryMib: memory, diskGib: disk, volumesGib: volumes, cpus, things } = hostReport(host);
    const line = (name: string, text: string) => `  ${name.padEnd(10)}${text}`;
    const shared =
      memory.shared > 0 ? ` (${memory.shared} MiB shared, 1/${memory.ratio} of which counts)` : '';
    const ofDisk = ({ reserved, free, freeNow, ratio }: typeof disk | typeof volumes, of: number | null) =>
      of === null
        ? `${reserved} GiB reserved, no limit`
        : `${reserved} of ${Math.floor(of * ratio)} GiB reserved, ${left(free)} free (${of} GiB, up to ${ratio}:1; ${freeNow} GiB not written yet)`;
    return [
      `host ${host.name}: ${cpus.total ?? '?'} CPUs, ${cpus.promised} vCPUs of ${things} Droplets, volumes and machines`,
      line(
        'memory',
        memory.total === null
          ? `${memory.reserved} MiB reserved${shared}, no limit`
          : `${memory.reserved} of ${Math.max(0, memory.total - memory.kept)} MiB reserved${shared}, ${left(memory.free)} free for dedicated, ${Math.floor(left(memory.free) * memory.ratio)} for shared sizes; ${memory.kept} kept for the host`,
      ),
      line('disks', ofDisk(disk, disk.pool)),
      line('volumes', ofDisk(volumes, volumes.disk)),
    ];
  });
}

/** What of hosts is promised beyond the rule, as after it was made stricter: nothing more is promised then. */
export function overcommitted(hosts: readonly HostState[]): Finding[] {
  return hosts.flatMap((host) =>
    (
      [
        ['memory', 'MiB', memoryOf(host), '--overcommit-memory N or --reserve-memory-mib N'],
        ['disk', 'GiB', disksOf(host), '--overcommit-disk N'],
        ['volumes', 'GiB', volumesOf(host), '--overcommit-disk N'],
      ] as const
    ).flatMap(([what, unit, of, options]) =>
      of && of.used > of.total
        ? [
            {
              name: `host ${host.name}`,
              ok: false,
              detail: `${Math.ceil(of.used)} ${unit} of ${what} are reserved, and the rule allows ${of.total} ${unit}: nothing new that needs more is taken`,
              remedy: `destroy what is not needed, or change the rule by ./atoll up ${options}`,
            },
          ]
        : [],
    ),
  );
}
