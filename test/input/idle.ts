import type { TestAtoll } from '../support/atoll.ts';
import { until } from '../support/until.ts';

/** Waits until the control loop has nothing left to do but what comes by time. */
export function untilIdle({ database }: TestAtoll): Promise<void> {
  const { db } = database.store;
  return until(
    async () => {
      const due = db.selectFrom('reconcile').select('id').whereRef('done', '<', 'wanted');
      const busy = await due.where('due', '<=', new Date()).execute();
      const pending = await db
        .selectFrom('actions')
        .select('id')
        .where('status', '=', 'in-progress')
        .execute();
      return busy.length + pending.length === 0;
    },
    undefined,
    'the loop is idle',
  );
}
