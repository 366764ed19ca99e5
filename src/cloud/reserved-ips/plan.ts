/** What to do next about a reserved address: pure. */
import type { Plan } from '../../control/converge.ts';
import type { DesiredAddress } from './desired.ts';

export interface ObservedAddress {
  /** The version of the row that the host has put in force in this run, or taken out of force. */
  published?: number;
  withdrawn?: number;
}

export type AddressStep = { do: 'publish' } | { do: 'withdraw' };
export type AddressEnd = 'in force' | 'gone';

/** The host is told once in each run: it answers at once where that is in force already. */
export function planAddress(
  { released, version }: Pick<DesiredAddress, 'released' | 'version'>,
  observed: ObservedAddress,
): Plan<AddressStep, AddressEnd> {
  if (released) return observed.withdrawn === version ? { settled: 'gone' } : { steps: [{ do: 'withdraw' }] };
  return observed.published === version ? { settled: 'in force' } : { steps: [{ do: 'publish' }] };
}
