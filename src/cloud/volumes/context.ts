import type { Clock } from '../../control/clock.ts';
import type { Caller } from '../../http/operation.ts';
import type { Store } from '../../store/store.ts';

export interface VolumesDeps {
  store: Store;
  clock: Clock;
}

/** Who asks: of a request, what its audit row needs. */
export interface Asked {
  caller: Caller;
  id: string;
}
