import type { Clock } from '../base/clock.ts';
import type { Files } from './files.ts';
import { errorText, log } from './log.ts';
import { keyedMutex } from './mutex.ts';

/**
 * How long the generation of what was withdrawn is remembered, ms: far longer than a request that was sent before
 * the withdrawal can still be on its way.
 */
export const REMEMBER_MS = 24 * 3600 * 1000;

/** A generation lower than the one that was seen of this thing was offered. */
export class Stale extends Error {
  override readonly name = 'Stale';
}

/** An identity of the entry belongs to another one that is in force. */
export class InUse extends Error {
  override readonly name = 'InUse';
}

/** What is known of a thing: its entry, or since when it is withdrawn (ms since 1970). */
type Known<Entry> = { generation: number; entry: Entry } | { generation: number; withdrawn: number };

/** Entries in force by their ids, each saved before it is. */
export interface Registry<Id, Entry> {
  /** Takes up what was saved. What cannot be used is left out, with a line in the log. */
  load(): Promise<void>;
  /** Puts an entry in force. Answers the one it replaces. Throws Stale or InUse. */
  publish(entry: Entry, generation: number): Promise<Entry | undefined>;
  /** Takes an entry out of force and remembers the generation. Answers the entry. Throws Stale. */
  withdraw(id: Id, generation: number): Promise<Entry | undefined>;
  get(id: Id): Entry | undefined;
  /** The entry that has this identity. */
  having(identity: string): Entry | undefined;
  all(): Entry[];
  /** The newest generation that was seen of anything, without those that stand for every one; 0: none. */
  newest(): number;
  /** Forgets the generations of what was withdrawn long ago. */
  forget(): Promise<void>;
}

/** What the entries of a registry are. */
export interface EntryKind<Id, Entry> {
  /** For messages, `droplet`. */
  name: string;
  idOf(entry: Entry): Id;
  /** What no other entry may have at the same time. */
  identities(entry: Entry): string[];
  /** Checks what claims to be the publication of `id`; throws where it is none. */
  parse(saved: unknown, id: Id): { generation: number; entry: Entry };
}

export function registry<Id extends string | number, Entry>(
  kind: EntryKind<Id, Entry>,
  files: Files<Id>,
  clock: Clock,
): Registry<Id, Entry> {
  const { idOf, identities } = kind;
  const known = new Map<Id, Known<Entry>>();
  /** Whose an identity is, from before its entry is saved until after it is replaced. */
  const owners = new Map<string, Id>();
  const exclusive = keyedMutex();

  function inForce(id: Id): Entry | undefined {
    const found = known.get(id);
    return found && 'entry' in found ? found.entry : undefined;
  }

  function refuseStale(id: Id, generation: number): void {
    const seen = known.get(id)?.generation ?? 0;
    if (generation < seen) throw new Stale(`stale: generation ${generation} is older than ${seen}`);
  }

  function claim(entry: Entry): void {
    for (const identity of identities(entry)) {
      const owner = owners.get(identity) ?? idOf(entry);
      if (owner !== idOf(entry)) throw new InUse(`${identity} belongs to ${kind.name} ${owner}`);
    }
    for (const identity of identities(entry)) owners.set(identity, idOf(entry));
  }

  function release(entry: Entry | undefined, kept?: Entry): void {
    const keep = new Set(kept && identities(kept));
    for (const identity of entry ? identities(entry) : []) if (!keep.has(identity)) owners.delete(identity);
  }

  return {
    async load() {
      for (const [id, saved] of await files.load()) {
        try {
          const record = isWithdrawn(saved) ? saved : kind.parse(saved, id);
          if ('entry' in record) claim(record.entry);
          known.set(id, record);
        } catch (error) {
          log('error', `a saved ${kind.name} cannot be used`, { [kind.name]: id, error: errorText(error) });
        }
      }
    },
    publish(entry, generation) {
      const id = idOf(entry);
      return exclusive(id, async () => {
        refuseStale(id, generation);
        const before = inForce(id);
        claim(entry);
        try {
          await files.save(id, { generation, entry });
        } catch (error) {
          release(entry, before);
          throw error;
        }
        known.set(id, { generation, entry });
        release(before, entry);
        return before;
      });
    },
    withdraw: (id, generation) =>
      exclusive(id, async () => {
        refuseStale(id, generation);
        const before = inForce(id);
        const record = { generation, withdrawn: clock.now().getTime() };
        await files.save(id, record);
        known.set(id, record);
        release(before);
        return before;
      }),
    get: inForce,
    having(identity) {
      const owner = owners.get(identity);
      const entry = owner === undefined ? undefined : inForce(owner);
      return entry && identities(entry).includes(identity) ? entry : undefined;
    },
    all: () => [...known.values()].flatMap((found) => ('entry' in found ? [found.entry] : [])),
    newest: () =>
      [...known.values()].reduce(
        (newest, { generation }) =>
          generation < Number.MAX_SAFE_INTEGER ? Math.max(newest, generation) : newest,
        0,
      ),
    async forget() {
      const time = clock.now().getTime() - REMEMBER_MS;
      const isOld = (found: Known<Entry>) => 'withdrawn' in found && found.withdrawn < time;
      for (const [id] of [...known].filter(([, found]) => isOld(found))) {
        await exclusive(id, async () => {
          const found = known.get(id);
          if (!found || !isOld(found)) return;
          await files.delete(id);
          known.delete(id);
        });
      }
    },
  };
}

function isWithdrawn(saved: unknown): saved is { generation: number; withdrawn: number } {
  return typeof saved === 'object' && saved !== null && 'withdrawn' in saved && 'generation' in saved;
}
