import type { Clock } from '../control/clock.ts';
import type { HostDroplet } from '../engine/host/port.ts';
import type { Files } from './files.ts';
import { errorText, log } from './log.ts';
import { canonicalAddress, type PublicNetwork } from './network.ts';
import { keyedTurns } from './turns.ts';
import { parsePublication } from './validate.ts';

/** A generation lower than the one that was seen for this droplet was offered. */
export class Stale extends Error {
  override readonly name = 'Stale';
}

/** A MAC or an address of the entry belongs to another droplet that is in force. */
export class InUse extends Error {
  override readonly name = 'InUse';
}

/** What is known of a droplet: its entry, or since when it is withdrawn (ms since 1970). */
type Entry = { generation: number; entry: HostDroplet } | { generation: number; withdrawn: number };

/** The entries in force, each saved before it is. */
export interface Registry {
  /** Takes up what was saved. What cannot be used is left out, with a line in the log. */
  load(): Promise<void>;
  /** Puts an entry in force. Answers the one it replaces. Throws Stale or InUse. */
  publish(entry: HostDroplet, generation: number): Promise<HostDroplet | undefined>;
  /** Takes an entry out of force and remembers the generation. Answers the entry. Throws Stale. */
  withdraw(id: number, generation: number): Promise<HostDroplet | undefined>;
  get(id: number): HostDroplet | undefined;
  /** The droplet that has this public IPv4 address. */
  at(ipv4: string): HostDroplet | undefined;
  all(): HostDroplet[];
  /** Forgets the generations of droplets that were withdrawn before `time` (ms since 1970). */
  forgetBefore(time: number): Promise<void>;
}

export function registry(files: Files, network: PublicNetwork, clock: Clock): Registry {
  const entries = new Map<number, Entry>();
  /** Which droplet a MAC or an address belongs to, from before its entry is saved until after it is replaced. */
  const owners = new Map<string, number>();
  const inTurn = keyedTurns();

  function inForce(id: number): HostDroplet | undefined {
    const found = entries.get(id);
    return found && 'entry' in found ? found.entry : undefined;
  }

  function refuseStale(id: number, generation: number): void {
    const seen = entries.get(id)?.generation ?? 0;
    if (generation < seen) throw new Stale(`stale: generation ${generation} is older than ${seen}`);
  }

  function claim(entry: HostDroplet): void {
    for (const identity of identities(entry)) {
      const owner = owners.get(identity) ?? entry.id;
      if (owner !== entry.id) throw new InUse(`${identity} belongs to droplet ${owner}`);
    }
    for (const identity of identities(entry)) owners.set(identity, entry.id);
  }

  function release(entry: HostDroplet | undefined, kept?: HostDroplet): void {
    const keep = new Set(kept && identities(kept));
    for (const identity of entry ? identities(entry) : []) if (!keep.has(identity)) owners.delete(identity);
  }

  return {
    async load() {
      for (const [id, saved] of await files.load()) {
        try {
          const record = isWithdrawn(saved) ? saved : parsePublication(saved, id, network);
          if ('entry' in record) claim(record.entry);
          entries.set(id, record);
        } catch (error) {
          log('error', 'a saved droplet cannot be used', { droplet: id, error: errorText(error) });
        }
      }
    },
    publish: (entry, generation) =>
      inTurn(entry.id, async () => {
        refuseStale(entry.id, generation);
        const before = inForce(entry.id);
        claim(entry);
        try {
          await files.save(entry.id, { generation, entry });
        } catch (error) {
          release(entry, before);
          throw error;
        }
        entries.set(entry.id, { generation, entry });
        release(before, entry);
        return before;
      }),
    withdraw: (id, generation) =>
      inTurn(id, async () => {
        refuseStale(id, generation);
        const before = inForce(id);
        const record = { generation, withdrawn: clock.now().getTime() };
        await files.save(id, record);
        entries.set(id, record);
        release(before);
        return before;
      }),
    get: inForce,
    at(ipv4) {
      const owner = owners.get(ipv4);
      const entry = owner === undefined ? undefined : inForce(owner);
      return entry?.ipv4 === ipv4 ? entry : undefined;
    },
    all: () => [...entries.values()].flatMap((found) => ('entry' in found ? [found.entry] : [])),
    async forgetBefore(time) {
      const isOld = (found: Entry) => 'withdrawn' in found && found.withdrawn < time;
      for (const [id] of [...entries].filter(([, found]) => isOld(found))) {
        await inTurn(id, async () => {
          const found = entries.get(id);
          if (!found || !isOld(found)) return;
          await files.delete(id);
          entries.delete(id);
        });
      }
    },
  };
}

function identities({ mac, ipv4, ipv6 }: HostDroplet): string[] {
  return [mac, ipv4, ...(ipv6 ? [canonicalAddress(ipv6)] : [])];
}

function isWithdrawn(saved: unknown): saved is { generation: number; withdrawn: number } {
  return typeof saved === 'object' && saved !== null && 'withdrawn' in saved && 'generation' in saved;
}
