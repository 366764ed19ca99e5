import type { Clock } from '../../../base/clock.ts';
import type { IncusClient } from './client.ts';
import type { IncusInstance } from './instances.ts';
import type { Machines } from './machines.ts';
import type { LimitDisk } from './room.ts';
import type { Placement } from './spec.ts';

/** What the parts of the compute port over Incus share. Machines go by the names of the port. */
export interface IncusContext extends Machines {
  client: IncusClient;
  /** Four hex digits, the Atoll's own. */
  id: string;
  clock: Clock;
  placement(): Promise<Placement>;
  limitDisk: LimitDisk | undefined;
  /** Stops an instance at once; one that is stopped is left alone. */
  pullPlug(instance: IncusInstance): Promise<void>;
}
