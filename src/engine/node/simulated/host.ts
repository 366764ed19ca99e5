import { join } from 'node:path';
import type { EngineError } from '../../../base/engine-error.ts';
import { digest } from '../digest.ts';
import type { Host, HostCapacity, MetadataDocument } from '../port.ts';
import { openEntries, type SimulatedEntries, simulatedEntries } from './entries.ts';
import { type MarkPlace, markFile, markInMemory } from './mark.ts';
import { openVolumes, type SimulatedVolumes, simulatedVolumes } from './volumes.ts';

type Method = Exclude<keyof Host, 'close'>;

export interface SimulatedHost extends Host {
  /** Lets the next `times` calls of a method throw `error` before they do anything. The answer ends that. */
  fail(method: Method, error: EngineError, times?: number): () => void;
  /** What the droplet would read at 169.254.169.254, or undefined. */
  metadata(dropletId: number): MetadataDocument | undefined;
  /** What a machine has written on a volume; a new filesystem reads as its type and label. */
  readVolume(id: string): string;
  writeVolume(id: string, content: string): Promise<void>;
  /** Takes the bytes of a volume or a snapshot away behind everybody's back. Answers how to bring them back. */
  loseVolume(id: string): Promise<() => Promise<void>>;
  /** As when the disk with the volumes is not mounted, until it is set to false. */
  setVolumesAway(away: boolean): void;
  /** What its disks have from now on; nothing: no limits. */
  setCapacity(space: HostCapacity): void;
}

/** A host in memory; what it holds may be kept over restarts: see `openHost`. */
export function simulatedHost(
  disks: SimulatedVolumes = simulatedVolumes(),
  mark: MarkPlace = markInMemory(),
  entries: SimulatedEntries = simulatedEntries(),
): SimulatedHost {
  const { droplets, addresses } = entries;
  let space: HostCapacity = {};
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

  return {
    publish: faulty('publish', (entry, generation) =>
      entries.put({ kind: 'droplet', id: entry.id, generation, entry }),
    ),
    withdraw: faulty('withdraw', (id, generation) => entries.put({ kind: 'droplet', id, generation })),
    published: faulty('published', async (dropletId) => {
      const entry = droplets.get(dropletId);
      return entry && digest(entry);
    }),
    list: faulty('list', async () => [...droplets.keys()]),
    survey: faulty('survey', async () => ({
      droplets: Array.from(droplets.values(), ({ id, ipv4, ipv6 }) => ({
        id,
        addresses: ipv6 ? [ipv4, ipv6] : [ipv4],
      })),
      newest: entries.newest(),
    })),
    capacity: faulty('capacity', async () => ({
      ...space,
      ...(disks.isAway() && { volumes: 'away' as const }),
    })),
    mark: faulty('mark', mark.read),
    setMark: faulty('setMark', mark.write),

    ensureVolume: faulty('ensureVolume', disks.ensureVolume),
    deleteVolume: faulty('deleteVolume', disks.deleteVolume),
    snapshotVolume: faulty('snapshotVolume', disks.snapshotVolume),
    deleteVolumeSnapshot: faulty('deleteVolumeSnapshot', disks.deleteVolumeSnapshot),
    volumes: faulty('volumes', disks.volumes),

    publishAddress: faulty('publishAddress', (entry, generation) =>
      entries.put({ kind: 'address', id: entry.ip, generation, entry }),
    ),
    withdrawAddress: faulty('withdrawAddress', (id, generation) =>
      entries.put({ kind: 'address', id, generation }),
    ),
    addresses: faulty('addresses', async () => Array.from(addresses.values(), (each) => ({ ...each }))),

    fail(method, error, times = 1) {
      const fault = { method, error, times };
      faults.push(fault);
      return () => {
        fault.times = 0;
      };
    },
    metadata: (dropletId) => structuredClone(droplets.get(dropletId)?.metadata),
    readVolume: disks.read,
    writeVolume: disks.write,
    loseVolume: disks.lose,
    setVolumesAway: disks.setAway,
    setCapacity(given) {
      space = given;
    },
    async close() {
      await disks.close();
      await entries.close();
    },
  };
}

/** A host that keeps what it holds in `directory` over restarts. */
export const openHost = async (directory: string): Promise<SimulatedHost> =>
  simulatedHost(
    await openVolumes(directory),
    markFile(directory),
    await openEntries(join(directory, 'entries')),
  );
