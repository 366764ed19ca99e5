import { EngineError } from '../../errors.ts';
import { digest } from '../digest.ts';
import type { Host, HostAddress, HostDroplet, MetadataDocument } from '../port.ts';
import { type MarkPlace, markInMemory } from './mark.ts';
import { type SimulatedVolumes, simulatedVolumes } from './volumes.ts';

export { openVolumes } from './volumes.ts';

type Method = Exclude<keyof Host, 'close'>;

export interface SimulatedHost extends Host {
  /** Lets the next `times` calls of a method throw `error` before they do anything. */
  fail(method: Method, error: EngineError, times?: number): void;
  /** What the droplet would read at 169.254.169.254, or undefined. */
  metadata(dropletId: number): MetadataDocument | undefined;
  /** What a machine has written on a volume; a new filesystem reads as its type and label. */
  readVolume(id: string): string;
  writeVolume(id: string, content: string): Promise<void>;
  /** Takes the bytes of a volume or a snapshot away behind everybody's back. Answers how to bring them back. */
  loseVolume(id: string): Promise<() => Promise<void>>;
  /** As when the disk with the volumes is not mounted, until it is set to false. */
  setVolumesAway(away: boolean): void;
}

/** A host in memory; `disks` and `mark` may be kept over restarts. */
export function simulatedHost(
  disks: SimulatedVolumes = simulatedVolumes(),
  mark: MarkPlace = markInMemory(),
): SimulatedHost {
  const entries = new Map<number, HostDroplet>();
  const owners = new Map<string, number>();
  const addresses = new Map<string, HostAddress>();
  const droplets = generations<number>();
  const reserved = generations<string>();
  const faults: { method: Method; error: EngineError; times: number }[] = [];

  function failIfTold(method: Method): void {
    const fault = faults.find((each) => each.method === method && each.times > 0);
    if (!fault) return;
    fault.times--;
    throw fault.error;
  }

  /** `work`, unless the fault that is due for the method is thrown. */
  function faulty<Args extends unknown[], Result>(
    method: Method,
    work: (...args: Args) => Promise<Result>,
  ): (...args: Args) => Promise<Result> {
    return async (...args) => {
      failIfTold(method);
      return work(...args);
    };
  }

  function release(id: number): void {
    for (const identity of identities(entries.get(id))) owners.delete(identity);
    entries.delete(id);
  }

  return {
    publish: faulty('publish', async (entry, generation) => {
      droplets.refuseStale(entry.id, generation);
      const taken = identities(entry).find((identity) => (owners.get(identity) ?? entry.id) !== entry.id);
      if (taken) throw new EngineError('busy', `${taken} belongs to droplet ${owners.get(taken)}`);
      release(entry.id);
      entries.set(entry.id, structuredClone(entry));
      droplets.saw(entry.id, generation);
      for (const identity of identities(entry)) owners.set(identity, entry.id);
    }),
    withdraw: faulty('withdraw', async (dropletId, generation) => {
      droplets.refuseStale(dropletId, generation);
      release(dropletId);
      droplets.saw(dropletId, generation);
    }),
    published: faulty('published', async (dropletId) => {
      const entry = entries.get(dropletId);
      return entry && digest(entry);
    }),
    list: faulty('list', async () => [...entries.keys()]),
    survey: faulty('survey', async () => ({
      droplets: Array.from(entries.values(), ({ id, ipv4, ipv6 }) => ({
        id,
        addresses: ipv6 ? [ipv4, ipv6] : [ipv4],
      })),
      newest: Math.max(droplets.newest(), reserved.newest()),
    })),
    mark: faulty('mark', mark.read),
    setMark: faulty('setMark', mark.write),

    ensureVolume: faulty('ensureVolume', disks.ensureVolume),
    deleteVolume: faulty('deleteVolume', disks.deleteVolume),
    snapshotVolume: faulty('snapshotVolume', disks.snapshotVolume),
    deleteVolumeSnapshot: faulty('deleteVolumeSnapshot', disks.deleteVolumeSnapshot),
    volumes: faulty('volumes', disks.volumes),

    publishAddress: faulty('publishAddress', async (address, generation) => {
      reserved.refuseStale(address.ip, generation);
      addresses.set(address.ip, { ...address });
      reserved.saw(address.ip, generation);
    }),
    withdrawAddress: faulty('withdrawAddress', async (ip, generation) => {
      reserved.refuseStale(ip, generation);
      addresses.delete(ip);
      reserved.saw(ip, generation);
    }),
    addresses: faulty('addresses', async () => Array.from(addresses.values(), (each) => ({ ...each }))),

    fail(method, error, times = 1) {
      faults.push({ method, error, times });
    },
    metadata: (dropletId) => structuredClone(entries.get(dropletId)?.metadata),
    readVolume: disks.read,
    writeVolume: disks.write,
    loseVolume: disks.lose,
    setVolumesAway: disks.setAway,
    close: disks.close,
  };
}

/** The newest generation that was seen of each thing. */
function generations<Key>() {
  const seen = new Map<Key, number>();
  return {
    refuseStale(key: Key, generation: number): void {
      const newest = seen.get(key) ?? 0;
      if (generation >= newest) return;
      throw new EngineError('rejected', `stale: generation ${generation} is older than ${newest}`);
    },
    saw: (key: Key, generation: number) => seen.set(key, generation),
    /** Without those that stand for every one. */
    newest: () => Math.max(0, ...[...seen.values()].filter((each) => each < Number.MAX_SAFE_INTEGER)),
  };
}

function identities(entry: HostDroplet | undefined): string[] {
  return entry ? [entry.mac, entry.ipv4, ...(entry.ipv6 ? [entry.ipv6] : [])] : [];
}
