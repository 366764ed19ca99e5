import { type Clock, sleep } from '../../../control/clock.ts';
import { EngineError } from '../../errors.ts';
import type { Compute, ComputeEvent } from '../port.ts';
import { openJournal } from './journal.ts';

/** A simulated machine. `underWay` is not kept over a restart: what was in the middle then has not happened. */
export interface Machine {
  urn: string;
  name: string;
  running: boolean;
  boot: number;
  networks: string[];
  underWay?: keyof Delays;
}

/** How long things take, in ms, about as in Incus. */
export interface Delays {
  create: number;
  start: number;
  stop: number;
  force: number;
  delete: number;
}

export const realisticDelays: Delays = { create: 200, start: 150, stop: 1500, force: 200, delete: 100 };
export const noDelays: Delays = { create: 0, start: 0, stop: 0, force: 0, delete: 0 };

export interface WorldOptions {
  clock: Clock;
  images: string[];
  delays?: Delays;
  /** Where the world is kept over restarts; absent: in memory only. */
  directory?: string;
}

type Method = Exclude<keyof Compute, 'watch' | 'close'>;

/** The simulated world, and the ways to make it misbehave. */
export interface World {
  readonly images: string[];
  readonly machines: ReadonlyMap<string, Machine>;
  readonly networks: ReadonlySet<string>;
  /** The next `times` calls of `method` throw `error` and do nothing. */
  fail(method: Method, error: EngineError, times?: number): void;
  /** While true, every call throws `unavailable`, as with a daemon that is down. */
  unavailable(down: boolean): void;
  /** The machine stops by itself. */
  stopBehindOurBack(name: string): Promise<void>;
  /** Somebody deletes the machine. */
  deleteBehindOurBack(name: string): Promise<void>;

  /** Throws the fault that is due for a call of `method`. */
  enter(method: Method): void;
  /** Lets pass the time that `step` takes. */
  take(step: keyof Delays): Promise<void>;
  /** Shows a machine that is being made; it is not there for good before `put`. */
  reserve(machine: Machine): void;
  /** Makes or changes a machine; resolves when the world will remember it. */
  put(machine: Machine): Promise<void>;
  remove(name: string): Promise<void>;
  putNetwork(vpcId: string): Promise<void>;
  removeNetwork(vpcId: string): Promise<void>;
  watch(listener: (event: ComputeEvent) => void, signal: AbortSignal): void;
  close(): Promise<void>;
}

/** A line of the journal: the last one about a thing holds. */
type Entry = { machine: Machine } | { gone: string } | { network: string } | { noNetwork: string };

/** Opens a simulated world, with what it remembers. */
export async function openWorld({
  clock,
  images,
  delays = realisticDelays,
  directory,
}: WorldOptions): Promise<World> {
  const machines = new Map<string, Machine>();
  const networks = new Set<string>();
  const faults = new Map<Method, EngineError[]>();
  const listeners = new Set<(event: ComputeEvent) => void>();
  let down = false;

  const apply = (entry: Entry) => {
    if ('machine' in entry) machines.set(entry.machine.name, entry.machine);
    else if ('gone' in entry) machines.delete(entry.gone);
    else if ('network' in entry) networks.add(entry.network);
    else networks.delete(entry.noNetwork);
  };
  // Written when it was changed behind our back in the middle of a step, which died with the process.
  const replay = (entry: Entry) => {
    if ('machine' in entry) delete entry.machine.underWay;
    apply(entry);
  };
  function* history(): Iterable<Entry> {
    for (const network of networks) yield { network };
    for (const machine of machines.values()) yield { machine };
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
  }
  async function remove(name: string): Promise<void> {
    const urn = machines.get(name)?.urn;
    await record({ gone: name }, urn);
  }

  return {
    images,
    machines,
    networks,
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
    deleteBehindOurBack: remove,

    enter(method) {
      if (down) throw new EngineError('unavailable', 'the simulated engine is down');
      const fault = faults.get(method)?.shift();
      if (fault) throw fault;
    },
    async take(step) {
      if (delays[step] > 0) await sleep(clock, delays[step]);
    },
    reserve: (machine) => machines.set(machine.name, machine),
    put: (machine) => record({ machine }, machine.urn),
    remove,
    putNetwork: (vpcId) => record({ network: vpcId }),
    removeNetwork: (vpcId) => record({ noNetwork: vpcId }),
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
