import { EngineError } from '../../../base/engine-error.ts';
import { openJournal } from '../../compute/simulated/journal.ts';
import type { Host, HostVolume } from '../port.ts';

/** Bytes that have a name: a volume or a snapshot of one. What is written on it is a text. */
interface Bytes {
  sizeGib: number;
  content: string;
}

/** A line of the journal: the last one about a thing holds. */
type Entry = { kind: 'volume' | 'snapshot'; id: string; bytes?: Bytes };

/** What what is written takes, about: nothing on a raw volume, and on a new filesystem its index. */
function bytesTaken({ content }: Bytes): number {
  if (content === '') return 0;
  return content.length + (/^(ext4|xfs) [^\n]*\n$/.test(content) ? 1 : 80) * 1024 ** 2;
}

export interface SimulatedVolumes
  extends Pick<
    Host,
    'ensureVolume' | 'deleteVolume' | 'snapshotVolume' | 'deleteVolumeSnapshot' | 'volumes' | 'close'
  > {
  /** What a machine has written on a volume. */
  read(id: string): string;
  write(id: string, content: string): Promise<void>;
  /** Takes the bytes of a volume or a snapshot away behind everybody's back. Answers how to bring them back. */
  lose(id: string): Promise<() => Promise<void>>;
  /** As when the disk with the volumes is not mounted, until it is set to false. */
  setAway(away: boolean): void;
  isAway(): boolean;
}

/** The volumes of a simulated host; with a `directory`, kept there over restarts. */
export async function openVolumes(directory: string): Promise<SimulatedVolumes> {
  const bytes = noBytes();
  function* history(): Iterable<Entry> {
    for (const kind of ['volume', 'snapshot'] as const)
      for (const [id, each] of bytes[kind]) yield { kind, id, bytes: each };
  }
  const journal = await openJournal<Entry>(directory, (entry) => apply(bytes, entry), history);
  return simulatedVolumes(bytes, journal);
}

/** Volumes in memory. */
export function simulatedVolumes(
  bytes = noBytes(),
  journal?: { append(entry: Entry): Promise<void>; close(): Promise<void> },
): SimulatedVolumes {
  let away = false;

  async function record(entry: Entry): Promise<void> {
    apply(bytes, entry);
    try {
      await journal?.append(entry);
    } catch (error) {
      throw new EngineError('failed', 'the simulated world cannot write its journal', { cause: error });
    }
  }

  function there(kind: Entry['kind'], id: string): Bytes {
    const found = bytes[kind].get(id);
    if (!found) throw new EngineError('missing', `there is no ${kind} ${id}`);
    return found;
  }

  function checkPlace(): void {
    if (away) throw new EngineError('unavailable', 'the directory of the volumes is away');
  }

  return {
    async ensureVolume({ id, sizeGib, filesystem, fromSnapshot }, { make }) {
      checkPlace();
      const found = make ? bytes.volume.get(id) : there('volume', id);
      const first = found ?? (fromSnapshot ? there('snapshot', fromSnapshot) : fresh(filesystem));
      const grown = { ...first, sizeGib: Math.max(first.sizeGib, sizeGib) };
      if (found?.sizeGib !== grown.sizeGib) await record({ kind: 'volume', id, bytes: grown });
      return { device: `/simulated/volumes/${id}` };
    },
    async deleteVolume(id) {
      checkPlace();
      if (bytes.volume.has(id)) await record({ kind: 'volume', id });
    },
    async snapshotVolume(id, snapshotId, { make }) {
      checkPlace();
      const kept =
        bytes.snapshot.get(snapshotId) ?? there(make ? 'volume' : 'snapshot', make ? id : snapshotId);
      if (!bytes.snapshot.has(snapshotId))
        await record({ kind: 'snapshot', id: snapshotId, bytes: { ...kept } });
      return { bytes: bytesTaken(kept) };
    },
    async deleteVolumeSnapshot(snapshotId) {
      checkPlace();
      if (bytes.snapshot.has(snapshotId)) await record({ kind: 'snapshot', id: snapshotId });
    },
    async volumes() {
      checkPlace();
      return {
        volumes: Array.from(bytes.volume, ([id, { sizeGib }]) => ({ id, sizeGib })),
        snapshots: [...bytes.snapshot.keys()],
      };
    },
    read: (id) => there('volume', id).content,
    write: (id, content) => record({ kind: 'volume', id, bytes: { ...there('volume', id), content } }),
    async lose(id) {
      const kind = bytes.snapshot.has(id) ? 'snapshot' : 'volume';
      const lost = there(kind, id);
      await record({ kind, id });
      return () => record({ kind, id, bytes: lost });
    },
    setAway(value) {
      away = value;
    },
    isAway: () => away,
    close: async () => journal?.close(),
  };
}

const fresh = (filesystem: HostVolume['filesystem']): Bytes => ({
  sizeGib: 0,
  content: filesystem ? `${filesystem.type} ${filesystem.label}\n` : '',
});

const noBytes = () => ({ volume: new Map<string, Bytes>(), snapshot: new Map<string, Bytes>() });

function apply(all: ReturnType<typeof noBytes>, { kind, id, bytes }: Entry): void {
  if (bytes) all[kind].set(id, bytes);
  else all[kind].delete(id);
}
