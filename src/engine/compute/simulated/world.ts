import { type Clock, sleep } from '../../../base/clock.ts';
import { EngineError } from '../../../base/engine-error.ts';
import type { CloudMark } from '../../cloud-mark.ts';
import type {
  Compute,
  ComputeCapacity,
  ComputeEvent,
  DiskSnapshot,
  Instance,
  Surveyed,
  Usage,
} from '../port.ts';
import { openJournal } from './journal.ts';
import { type Load, loads } from './load.ts';

/** A simulated machine. `underWay` is not kept over a restart: what was in the middle then has not happened. */
export interface Machine extends Omit<Instance, 'state' | 'run'> {
  running: boolean;
  /** How often it was started; absent in worlds of before. */
  runs?: number;
  networks: string[];
  /** Absent in worlds of before, like `createdAt`. */
  addresses?: Surveyed['addresses'];
  /** In ms since 1970. */
  createdAt?: number;
  /** The files that were put into it, by their paths. */
  files?: Record<string, string>;
  /** What its programs remember, by their paths. */
  remembered?: Record<string, unknown>;
  /** What the world's machines were when it was started; absent in worlds of before. */
  version?: number;
  underWay?: keyof Delays;
}

/** How long things take, in ms, about as in Incus. */
export interface Delays {
  create: number;
  start: number;
  stop: number;
  force: number;
  delete: number;
  replace: number;
  snapshotDisk: number;
  /** A resize, an address, a volume, a password, a file, a program of ours. */
  change: number;
  /** The import of an image. */
  import: number;
}

export const realisticDelays: Delays = {
  create: 200,
  start: 150,
  stop: 1500,
  force: 200,
  delete: 100,
  replace: 400,
  snapshotDisk: 100,
  change: 30,
  import: 1000,
};
export const noDelays: Delays = {
  create: 0,
  start: 0,
  stop: 0,
  force: 0,
  delete: 0,
  replace: 0,
  snapshotDisk: 0,
  change: 0,
  import: 0,
};

export interface WorldOptions {
  clock: Clock;
  /** The images that it has from the beginning. */
  images: string[];
  delays?: Delays;
  /** What its host has; absent: no limits. */
  capacity?: Partial<ComputeCapacity>;
  /** What machines are that are started from now on; absent: 1, as in worlds of before. */
  version?: number;
  /** Where the world is kept over restarts; absent: in memory only. */
  directory?: string;
}

type Method = Exclude<keyof Compute, 'watch' | 'close'>;

/** The simulated world, and the ways to make it misbehave. */
export interface World {
  readonly images: ReadonlySet<string>;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly networks: ReadonlySet<string>;
  readonly snapshots: ReadonlyMap<string, DiskSnapshot>;
  readonly mark: CloudMark | undefined;
  /** To be changed by tests; seen with the next look at the host. */
  capacity: Partial<ComputeCapacity>;
  readonly version: number;
  readonly clock: Clock;
  /** The next `times` calls of `method` throw `error` and do nothing. */
  fail(method: Method, error: EngineError, times?: number): void;
  /** While true, every call throws `unavailable`, as with a daemon that is down. */
  unavailable(down: boolean): void;
  /** The machine stops by itself. */
  stopBehindOurBack(name: string): Promise<void>;
  /** The machine is started again by itself: by its guest, or with its host. */
  rebootBehindOurBack(name: string): Promise<void>;
  /** Somebody deletes the machine. */
  deleteBehindOurBack(name: string): Promise<void>;
  /** From now on the machine uses this much of what it has. */
  load(name: string, load: Load): void;
  /** While true, the volume is in use inside its machine: it cannot be unmounted. */
  hold(volumeId: string, held: boolean): void;

  /** Throws the fault that is due for a call of `method`. */
  enter(method: Method): void;
  /** Lets pass the time that `step` takes. */
  take(step: keyof Delays): Promise<void>;
  /** Shows a machine that is being made; it is not there for good before `put`. */
  reserve(machine: Machine): void;
  /** Makes or changes a machine; resolves when the world will remember it. */
  put(machine: Machine): Promise<void>;
  remove(name: string): Promise<void>;
  /** Makes or removes something else than a machine; resolves when the world will remember it. */
  record(entry: Entry): Promise<void>;
  isHeld(volumeId: string): boolean;
  usage(machine: Machine): Usage;
  watch(listener: (event: ComputeEvent) => void, signal: AbortSignal): void;
  close(): Promise<void>;
}

/** A line of the journal: the last one about a thing holds. `saved`: a snapshot, as journals of before have it. */
type Entry =
  | { machine: Machine }
  | { gone: string }
  | { network: string }
  | { noNetwork: string }
  | { saved: DiskSnapshot }
  | { noSaved: string }
  | { image: string }
  | { noImage: string }
  | { mark: CloudMark };

/** Opens a simulated world, with what it remembers. */
export async function openWorld({
  clock,
  images: given,
  delays = realisticDelays,
  capacity = {},
  version = 1,
  directory,
}: WorldOptions): Promise<World> {
  const machines = new Map<string, Machine>();
  const networks = new Set<string>();
  const snapshots = new Map<string, DiskSnapshot>();
  const images = new Set(given);
  const held = new Set<string>();
  const load = loads(clock);
  const faults = new Map<Method, EngineError[]>();
  const listeners = new Set<(event: ComputeEvent) => void>();
  let down = false;
  let mark: CloudMark | undefined;

  const apply = (entry: Entry) => {
    if ('machine' in entry) machines.set(entry.machine.name, entry.machine);
    else if ('gone' in entry) machines.delete(entry.gone);
    else if ('network' in entry) networks.add(entry.network);
    else if ('noNetwork' in entry) networks.delete(entry.noNetwork);
    else if ('saved' in entry) snapshots.set(entry.saved.name, entry.saved);
    else if ('noSaved' in entry) snapshots.delete(entry.noSaved);
    else if ('image' in entry) images.add(entry.image);
    else if ('mark' in entry) ({ mark } = entry);
    else images.delete(entry.noImage);
  };
  // Written when it was changed behind our back in the middle of a step, which died with the process.
  const replay = (entry: Entry) => {
    if ('machine' in entry) delete entry.machine.underWay;
    apply(entry);
  };
  function* history(): Iterable<Entry> {
    if (mark) yield { mark };
    for (const network of networks) yield { network };
    for (const machine of machines.values()) yield { machine };
    for (const disk of snapshots.values()) yield { saved: disk };
    for (const image of images) yield { image };
    for (const image of given) if (!images.has(image)) yield { noImage: image };
  }
  const journal = directory ? await openJournal<Entry>(directory, replay, history) : undefined;

  const tell = (event: ComputeEvent) => {
    for (const listener of listeners) listener(event);
  };
  async function record(entry: Entry, urn?: string): Promise<void> {
    apply(entry);
    try {
      await journal?.append(entry);
    } catch (error) {
      throw new EngineError('failed', 'the simulated world cannot write its journal', { cause: error });
    }
    if (urn) tell({ urn });
    else if ('image' in entry || 'noImage' in entry) tell({ images: true });
  }
  async function remove(name: string): Promise<void> {
    const urn = machines.get(name)?.urn;
    await record({ gone: name }, urn);
  }

  return {
    images,
    machines,
    networks,
    snapshots,
    capacity,
    get mark() {
      return mark;
    },
    version,
    clock,
    fail(method, error, times = 1) {
      faults.set(method, [...(faults.get(method) ?? []), ...Array<EngineError>(times).fill(error)]);
    },
    unavailable(value) {
      down = value;
      if (!down) tell({});
    },
    async stopBehindOurBack(name) {
      const machine = machines.get(name);
      if (machine) await record({ machine: { ...machine, running: false } }, machine.urn);
    },
    async rebootBehindOurBack(name) {
      const machine = machines.get(name);
      if (machine) await record({ machine: { ...machine, runs: (machine.runs ?? 0) + 1 } }, machine.urn);
    },
    deleteBehindOurBack: remove,
    load: load.set,
    hold(volumeId, value) {
      if (value) held.add(volumeId);
      else held.delete(volumeId);
    },

    enter(method) {
      if (down) throw new EngineError('unavailable', 'the simulated engine is down');
      const fault = faults.get(method)?.shift();
      if (fault) throw fault;
    },
    async take(step) {
      if (delays[step] > 0) await sleep(clock, delays[step]);
    },
    reserve: (machine) => machines.set(machine.name, machine),
    put(machine) {
      if (machine.running && !machines.get(machine.name)?.running) load.restart(machine.name);
      return record({ machine }, machine.urn);
    },
    remove,
    record: (entry) => record(entry),
    isHeld: (volumeId) => held.has(volumeId),
    usage: ({ name, size }) => load.usage(name, size),
    watch(listener, signal) {
      if (signal.aborted) return;
      listeners.add(listener);
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true });
      queueMicrotask(() => {
        if (listeners.has(listener)) listener({});
      });
    },
    close: async () => journal?.close(),
  };
}
