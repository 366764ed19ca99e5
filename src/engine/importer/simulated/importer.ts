import { type Clock, sleep } from '../../../base/clock.ts';
import type { Compute } from '../../compute/port.ts';
import { type Importer, Unimportable } from '../port.ts';

export interface SimulatedImporter extends Importer {
  /** From now on, what is at this address cannot be imported, for this reason. */
  refuse(url: string, reason: string): void;
}

/** What every image of the simulated internet is like. */
const imported = { minDiskGib: 3, bytes: 700 * 2 ** 20 };

/** Imports whatever an address says, without a look at it: nothing is fetched. `delayMs`: how long it takes. */
export function simulatedImporter({
  compute,
  clock,
  delayMs = 0,
}: {
  compute: Pick<Compute, 'importImage'>;
  clock: Clock;
  delayMs?: number;
}): SimulatedImporter {
  const refused = new Map<string, string>();
  return {
    refuse: (url, reason) => void refused.set(url, reason),
    async import(url, { name, signal }) {
      if (delayMs > 0) await sleep(clock, delayMs, signal);
      signal.throwIfAborted();
      const reason = refused.get(url);
      if (reason !== undefined) throw new Unimportable(reason);
      await compute.importImage(name, '');
      return imported;
    },
  };
}
