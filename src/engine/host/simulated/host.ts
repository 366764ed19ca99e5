import { EngineError } from '../../errors.ts';
import { digest } from '../digest.ts';
import type { Host, HostDroplet, MetadataDocument } from '../port.ts';

export interface SimulatedHost extends Host {
  /** Lets the next `times` calls of a method throw `error` before they do anything. */
  fail(method: 'publish' | 'withdraw' | 'published' | 'list', error: EngineError, times?: number): void;
  /** What the droplet would read at 169.254.169.254, or undefined. */
  metadata(dropletId: number): MetadataDocument | undefined;
}

/** A host in memory. */
export function simulatedHost(): SimulatedHost {
  const entries = new Map<number, HostDroplet>();
  const generations = new Map<number, number>();
  const owners = new Map<string, number>();
  const faults: { method: string; error: EngineError; times: number }[] = [];

  function failIfTold(method: string): void {
    const fault = faults.find((each) => each.method === method && each.times > 0);
    if (!fault) return;
    fault.times--;
    throw fault.error;
  }

  function refuseStale(id: number, generation: number): void {
    const seen = generations.get(id) ?? 0;
    if (generation >= seen) return;
    throw new EngineError('rejected', `stale: generation ${generation} is older than ${seen}`);
  }

  function release(id: number): void {
    for (const identity of identities(entries.get(id))) owners.delete(identity);
    entries.delete(id);
  }

  return {
    async publish(entry, generation) {
      failIfTold('publish');
      refuseStale(entry.id, generation);
      const taken = identities(entry).find((identity) => (owners.get(identity) ?? entry.id) !== entry.id);
      if (taken) throw new EngineError('busy', `${taken} belongs to droplet ${owners.get(taken)}`);
      release(entry.id);
      entries.set(entry.id, structuredClone(entry));
      generations.set(entry.id, generation);
      for (const identity of identities(entry)) owners.set(identity, entry.id);
    },
    async withdraw(dropletId, generation) {
      failIfTold('withdraw');
      refuseStale(dropletId, generation);
      release(dropletId);
      generations.set(dropletId, generation);
    },
    async published(dropletId) {
      failIfTold('published');
      const entry = entries.get(dropletId);
      return entry && digest(entry);
    },
    async list() {
      failIfTold('list');
      return [...entries.keys()];
    },
    fail(method, error, times = 1) {
      faults.push({ method, error, times });
    },
    metadata: (dropletId) => structuredClone(entries.get(dropletId)?.metadata),
    async close() {},
  };
}

function identities(entry: HostDroplet | undefined): string[] {
  return entry ? [entry.mac, entry.ipv4, ...(entry.ipv6 ? [entry.ipv6] : [])] : [];
}
