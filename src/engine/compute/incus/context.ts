import type { Clock } from '../../../control/clock.ts';
import type { IncusClient } from './client.ts';
import type { IncusInstance } from './instances.ts';
import type { Placement } from './spec.ts';

/** What the parts of the compute port over Incus share. Machines go by the names of the port. */
export interface IncusContext {
  client: IncusClient;
  /** Four hex digits, the Atoll's own. */
  id: string;
  clock: Clock;
  placement(): Promise<Placement>;
  path(name: string): string;
  find(name: string): Promise<IncusInstance | undefined>;
  /** The machine, which is complete. Throws `failed` where there is none and `busy` where it is half-made. */
  complete(name: string): Promise<IncusInstance>;
  pullPlug(name: string): Promise<void>;
}
