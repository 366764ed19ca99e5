import { run } from './exec.ts';
import { keyedMutex } from './mutex.ts';
import { canonicalAddress } from './network.ts';

/** MAC addresses by IP address, in the kernel's writing; undefined: there is to be no entry. */
type Changes = Map<string, string | undefined>;
export type NeighbourTable = Map<string, string>;

/**
 * The permanent neighbour entries of a bridge, all of which are hostd's. Without them the host's entry of a
 * droplet that was asked for before it was up stays FAILED for seconds, and SSH is as late as that.
 */
export interface Neighbours {
  /** Changes some entries. Changes that come while others are being made go to the kernel together. */
  change(changes: Iterable<[string, string | undefined]>): Promise<void>;
  /** Asks the kernel what it holds and repairs it; answers how many entries had to change. */
  heal(): Promise<number>;
}

/** The neighbour entries of `bridge`; `wanted` tells the whole. Both methods throw where there is no such bridge. */
export function neighbours(bridge: string, wanted: () => NeighbourTable): Neighbours {
  const exclusive = keyedMutex();
  let pending: Changes = new Map();
  let scheduled: Promise<void> | undefined;
  /** Whether the kernel is known to hold what was wanted before `pending`. */
  let certain = false;

  async function repair(): Promise<number> {
    certain = false;
    const held = await list(bridge);
    const changes = difference(held, wanted());
    await make(changes, bridge);
    certain = true;
    return changes.size;
  }

  async function flush(): Promise<void> {
    scheduled = undefined;
    const changes = pending;
    pending = new Map();
    if (certain)
      certain = await make(changes, bridge).then(
        () => true,
        () => false,
      );
    if (!certain) await repair();
  }

  return {
    async change(changes) {
      for (const [address, mac] of changes) pending.set(address, mac);
      if (certain && pending.size === 0) return;
      scheduled ??= exclusive('kernel', flush);
      await scheduled;
    },
    heal: () => exclusive('kernel', repair),
  };
}

/** What must change to make one table the other. */
export function difference(held: NeighbourTable, wanted: NeighbourTable): Changes {
  const changes: Changes = new Map();
  for (const address of held.keys()) if (!wanted.has(address)) changes.set(address, undefined);
  for (const [address, mac] of wanted) if (held.get(address) !== mac) changes.set(address, mac);
  return changes;
}

async function make(changes: Changes, bridge: string): Promise<void> {
  if (changes.size === 0) return;
  const lines = [...changes].map(([address, mac]) =>
    mac === undefined
      ? `neigh del ${address} dev ${bridge}`
      : `neigh replace ${address} lladdr ${mac} dev ${bridge} nud permanent`,
  );
  await run('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

async function list(bridge: string): Promise<NeighbourTable> {
  const output = await run('ip', ['-json', 'neigh', 'show', 'dev', bridge, 'nud', 'permanent']);
  const entries: { dst: string; lladdr?: string }[] = JSON.parse(output || '[]');
  return new Map(entries.map(({ dst, lladdr }) => [canonicalAddress(dst), lladdr ?? '']));
}
