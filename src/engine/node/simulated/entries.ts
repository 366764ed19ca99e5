import { EngineError } from '../../../base/engine-error.ts';
import { openJournal } from '../../compute/simulated/journal.ts';
import type { HostAddress, HostDroplet } from '../port.ts';

/** A line of the journal: the last one about a thing holds. Without an entry, it is withdrawn. */
type Line =
  | { kind: 'droplet'; id: number; generation: number; entry?: HostDroplet }
  | { kind: 'address'; id: string; generation: number; entry?: HostAddress };

/** What is in force on a simulated host, with the newest generation that was seen of each thing. */
export interface SimulatedEntries {
  droplets: ReadonlyMap<number, HostDroplet>;
  addresses: ReadonlyMap<string, HostAddress>;
  /** Puts an entry in force, or takes it out. Throws `rejected` where it is stale, `busy` where an identity is taken. */
  put(line: Line): Promise<void>;
  /** The newest generation of all, without those that stand for every one. */
  newest(): number;
  close(): Promise<void>;
}

/** Entries in memory. */
export const simulatedEntries = (): SimulatedEntries => entriesOf(noEntries());

/** Entries that are kept in `directory` over restarts, as hostd keeps its own. */
export async function openEntries(directory: string): Promise<SimulatedEntries> {
  const all = noEntries();
  const journal = await openJournal<Line>(
    directory,
    (line) => apply(all, line),
    () => all.lines.values(),
  );
  return entriesOf(all, journal);
}

function entriesOf(
  all: ReturnType<typeof noEntries>,
  journal?: { append(line: Line): Promise<void>; close(): Promise<void> },
): SimulatedEntries {
  return {
    droplets: all.droplets,
    addresses: all.addresses,
    async put(asked) {
      const line = structuredClone(asked);
      const newest = all.lines.get(keyOf(line))?.generation ?? 0;
      if (line.generation < newest)
        throw new EngineError('rejected', `stale: generation ${line.generation} is older than ${newest}`);
      const taken = identities(line).find((each) => (all.owners.get(each) ?? line.id) !== line.id);
      if (taken) throw new EngineError('busy', `${taken} belongs to droplet ${all.owners.get(taken)}`);
      apply(all, line);
      try {
        await journal?.append(line);
      } catch (error) {
        throw new EngineError('failed', 'the simulated world cannot write its journal', { cause: error });
      }
    },
    newest: () =>
      Math.max(
        0,
        ...Array.from(all.lines.values(), ({ generation }) => generation).filter(
          (each) => each < Number.MAX_SAFE_INTEGER,
        ),
      ),
    close: async () => journal?.close(),
  };
}

const noEntries = () => ({
  lines: new Map<string, Line>(),
  droplets: new Map<number, HostDroplet>(),
  addresses: new Map<string, HostAddress>(),
  /** Whose an identity is. */
  owners: new Map<string, number>(),
});

function apply(all: ReturnType<typeof noEntries>, line: Line): void {
  const before = all.lines.get(keyOf(line));
  all.lines.set(keyOf(line), line);
  if (line.kind === 'address') {
    if (line.entry) all.addresses.set(line.id, line.entry);
    else all.addresses.delete(line.id);
    return;
  }
  for (const identity of before ? identities(before) : []) all.owners.delete(identity);
  for (const identity of identities(line)) all.owners.set(identity, line.id);
  if (line.entry) all.droplets.set(line.id, line.entry);
  else all.droplets.delete(line.id);
}

const keyOf = ({ kind, id }: Line): string => `${kind} ${id}`;

/** What no other droplet may have at the same time. */
function identities(line: Line): string[] {
  if (line.kind === 'address' || !line.entry) return [];
  const { mac, ipv4, ipv6 } = line.entry;
  return [mac, ipv4, ...(ipv6 ? [ipv6] : [])];
}
