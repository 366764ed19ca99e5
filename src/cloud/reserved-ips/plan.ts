/** What to do next about a reserved address: pure. */
import type { Plan } from '../../control/converge.ts';
import type { WantedAddress } from './wanted.ts';

export interface SeenAddress {
  /** The version of the row that the host has put in force in this run, or taken out of force. */
  published?: number;
  withdrawn?: number;
}

export type AddressStep = { do: 'publish' } | { do: 'withdraw' };
export type AddressEnd = 'in force' | 'gone';

/** The host is told once in each run: it answers at once where that is in force already. */
export function planAddress(
  { released, version }: Pick<WantedAddress, 'released' | 'version'>,
  seen: SeenAddress,
): Plan<AddressStep, AddressEnd> {
  if (released) return seen.withdrawn === version ? { settled: 'gone' } : { steps: [{ do: 'withdraw' }] };
  return seen.published === version ? { settled: 'in force' } : { steps: [{ do: 'publish' }] };
}
