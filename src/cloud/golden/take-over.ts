import type { Clock } from '../../base/clock.ts';
import type { Store } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import { askGolden, wakeKept } from './row.ts';

/**
 * Has the images made that droplets can be ordered of: `up` waits for the first of them only. And has all others looked at
 * that are kept: this version may have other recipes, and this home another authority than when they were made.
 */
export async function askImages({
  store,
  clock,
  context,
}: {
  store: Store;
  clock: Clock;
  context: CloudContext;
}): Promise<void> {
  await store.transaction(async (tx) => {
    await wakeKept(tx, clock.now());
    await askGolden(tx, context.imageHost.builds ?? [], clock.now());
  });
}
