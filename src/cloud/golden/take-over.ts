import type { Clock } from '../../base/clock.ts';
import type { Store } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import { askGolden } from './row.ts';

/** Has the images made that droplets can be ordered of: `up` waits for the first of them only. */
export async function askPublicImages({
  store,
  clock,
  context,
}: {
  store: Store;
  clock: Clock;
  context: CloudContext;
}): Promise<void> {
  await store.transaction((tx) => askGolden(tx, context.imageHost.builds ?? [], clock.now()));
}
