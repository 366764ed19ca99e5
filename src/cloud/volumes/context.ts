import type { Clock } from '../../base/clock.ts';
import type { Store } from '../../store/store.ts';

export interface VolumesDeps {
  store: Store;
  clock: Clock;
}
