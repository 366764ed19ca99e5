import type { Clock } from '../../control/clock.ts';
import type { Store } from '../../store/store.ts';

export interface VolumesDeps {
  store: Store;
  clock: Clock;
}
