/** Which host gets what is ordered, or why none does: pure. */

/** A host with what is promised of it. See `host_states` in the database. */
export interface HostState {
  id: number;
  name: string;
  /** Slugs; null: it serves all. */
  regions: readonly string[] | null;
  cpus: number | null;
  /** Of the machine. Null, as with bytes: no limit. */
  memory_mib: number | null;
  /** The host's own, which nothing may reserve. */
  kept_memory_mib: number;
  /** How often the rest is promised to what shares it. */
  memory_ratio: number;
  /** The storage pool, where root disks are. */
  pool_bytes: number | null;
  pool_free_bytes: number | null;
  /** The disk where volumes are. */
  volumes_bytes: number | null;
  volumes_free_bytes: number | null;
  /** How often both are promised. */
  disk_ratio: number;
  /** What is promised by now: to how many things, and how much. */
  things: number;
  vcpus: number;
  dedicated_mib: number;
  shared_mib: number;
  disk_gib: number;
  volume_gib: number;
  seen_at: Date | null;
}

/** What something takes of its host. */
export interface Demand {
  vcpus: number;
  memoryMib: number;
  /** Whether the memory is promised once; otherwise as often as the host's rule says. */
  dedicated: boolean;
  /** In the storage pool. */
  diskGib: number;
  volumeGib: number;
}

export interface Wish {
  region?: string | undefined;
  /** How many of those that should not be together are on a host, by its id: the fewest come first. */
  spread?: ReadonlyMap<number, number> | undefined;
}

export type Resource = 'shared memory' | 'dedicated memory' | 'disk' | 'volumes';

/** MiB of memory, GiB of all else. */
interface Figures {
  /** The host's name. */
  host: string;
  free: number;
  total: number;
}
type Promised = Figures & Capacity & { of: Resource; asked: number };
/** Much may be promised still, but what was written leaves less free than is to be kept so. */
type Written = Figures & { of: 'pool now' | 'volumes now'; kept: number };
/** What a host lacks. */
export type Lack = Promised | Written;

export type Placement = { host: HostState } | { lacks: Lack[] };

export const gib = 2 ** 30;

/** Of the disk with the volumes, which others use, too, a tenth is kept free, but no more than this. GiB. */
const mostKeptGib = 10;

/** Shares are fractions: sums of them are a little off. */
const tolerance = 1e-6;

/** What a host has, how often it is promised, how much that makes, and how much of it is promised. */
export interface Capacity {
  own: number;
  ratio: number;
  total: number;
  used: number;
}

/** Of memory in MiB that is promised once: what is shared counts by the share. undefined: no limit. */
export function memoryOf(host: HostState): Capacity | undefined {
  if (host.memory_mib === null) return undefined;
  const own = Math.max(0, host.memory_mib - host.kept_memory_mib);
  return { own, ratio: 1, total: own, used: host.dedicated_mib + host.shared_mib / host.memory_ratio };
}

/** Of memory as it is promised to what shares it. */
export function sharedMemoryOf(host: HostState): Capacity | undefined {
  const memory = memoryOf(host);
  const ratio = host.memory_ratio;
  return memory && { own: memory.own, ratio, total: memory.total * ratio, used: memory.used * ratio };
}

/** GiB, as sizes of disks add up. */
export const disksOf = (host: HostState): Capacity | undefined =>
  ofBytes(host.pool_bytes, host.disk_ratio, host.disk_gib);
export const volumesOf = (host: HostState): Capacity | undefined =>
  ofBytes(host.volumes_bytes, host.disk_ratio, host.volume_gib);

const ofBytes = (bytes: number | null, ratio: number, used: number): Capacity | undefined =>
  bytes === null ? undefined : { own: bytes / gib, ratio, total: Math.floor((bytes / gib) * ratio), used };

/**
 * The host for what is asked: of those that have room, the one with the fewest of `spread`, then the one with the most of
 * its memory left. `lacks`: what each host lacks, in the same order; none where no host
 * serves the region.
 *
 * The rule: memory that is dedicated is promised once, shared memory as often as the host's rule says, never what is kept
 * for the host. Disks are sparse and share blocks with their images, so that their sizes say little about what they take:
 * their sum may be `disk_ratio` times what there is, and nothing new comes while less than a tenth is free.
 */
export function place(hosts: readonly HostState[], asked: Demand, { region, spread }: Wish = {}): Placement {
  const inOrder = hosts
    .filter(({ regions }) => !regions || region === undefined || regions.includes(region))
    .toSorted(
      (a, b) =>
        (spread?.get(a.id) ?? 0) - (spread?.get(b.id) ?? 0) || freeShare(b) - freeShare(a) || a.id - b.id,
    );
  const lacks = inOrder.map((host) => lacksOf(host, asked));
  const host = inOrder[lacks.findIndex((each) => each.length === 0)];
  return host ? { host } : { lacks: lacks.flat() };
}

/** The host once it has promised that, too. */
export const promise = (host: HostState, asked: Demand): HostState => promised(host, asked, 1);
/** The host as if it had not promised that. */
export const withdraw = (host: HostState, asked: Demand): HostState => promised(host, asked, -1);

function promised(
  host: HostState,
  { vcpus, memoryMib, dedicated, diskGib, volumeGib }: Demand,
  sign: 1 | -1,
): HostState {
  return {
    ...host,
    things: host.things + sign,
    vcpus: host.vcpus + sign * vcpus,
    dedicated_mib: host.dedicated_mib + (dedicated ? sign * memoryMib : 0),
    shared_mib: host.shared_mib + (dedicated ? 0 : sign * memoryMib),
    disk_gib: host.disk_gib + sign * diskGib,
    volume_gib: host.volume_gib + sign * volumeGib,
  };
}

/**
 * What something takes while it changes: `sum` is the larger of both, resource by resource, since the change may be
 * undone; `growth` is what must be there for that: nothing of a resource that does not grow, also where the host has
 * promised more than it may.
 */
export function grown(from: Demand, to: Demand, ratio: number): { sum: Demand; growth: Demand } {
  const weight = ({ memoryMib, dedicated }: Demand) => (dedicated ? memoryMib : memoryMib / ratio);
  const memory = weight(to) > weight(from) ? to : from;
  const sum = {
    vcpus: Math.max(from.vcpus, to.vcpus),
    memoryMib: memory.memoryMib,
    dedicated: memory.dedicated,
    diskGib: Math.max(from.diskGib, to.diskGib),
    volumeGib: Math.max(from.volumeGib, to.volumeGib),
  };
  return {
    sum,
    growth: {
      ...sum,
      memoryMib: memory === from ? 0 : sum.memoryMib,
      diskGib: sum.diskGib > from.diskGib ? sum.diskGib : 0,
      volumeGib: sum.volumeGib > from.volumeGib ? sum.volumeGib : 0,
    },
  };
}

function freeShare(host: HostState): number {
  const memory = memoryOf(host);
  return memory && memory.total > 0 ? 1 - memory.used / memory.total : 1;
}

function lacksOf(host: HostState, { memoryMib, dedicated, diskGib, volumeGib }: Demand): Lack[] {
  const lack = (of: Resource, asked: number, has: Capacity | undefined): Promised[] => {
    if (!has || asked === 0 || has.used + asked <= has.total + tolerance) return [];
    return [{ of, host: host.name, asked, free: has.total - has.used, ...has }];
  };
  return [
    dedicated
      ? lack('dedicated memory', memoryMib, memoryOf(host))
      : lack('shared memory', memoryMib, sharedMemoryOf(host)),
    lack('disk', diskGib, disksOf(host)),
    lack('volumes', volumeGib, volumesOf(host)),
    diskGib > 0 ? lacksNow(host, 'pool') : [],
    volumeGib > 0 ? lacksNow(host, 'volumes') : [],
  ].flat();
}

/** What a host lacks for anything that is to be written, whatever it has promised. */
export function lacksNow(host: HostState, on: 'pool' | 'volumes'): Lack[] {
  const [bytes, freeBytes] =
    on === 'pool' ? [host.pool_bytes, host.pool_free_bytes] : [host.volumes_bytes, host.volumes_free_bytes];
  if (bytes === null || freeBytes === null) return [];
  const [total, free] = [bytes / gib, freeBytes / gib];
  const kept = on === 'pool' ? total / 10 : Math.min(total / 10, mostKeptGib);
  return free < kept ? [{ of: `${on} now`, host: host.name, free, total, kept }] : [];
}
