import { EngineError } from '../../base/engine-error.ts';
import type { Queryable } from '../../store/store.ts';

/** How long a copy of a volume's bytes is waited for, ms: a host that has not done it in two hours will not. */
export const copyPatienceMs = 7_200_000;

/**
 * Lets something be done with a volume only when no snapshot of it is being taken: the host does nothing else with it the
 * while, and holds its filesystem still for that, so that it cannot be unmounted.
 * @throws EngineError `busy`
 */
export async function awaitSnapshots(db: Queryable, volumeId: string): Promise<void> {
  const pending = await db
    .selectFrom('volume_snapshots')
    .select('id')
    .where('volume_id', '=', volumeId)
    .where('status', '=', 'pending')
    // One that was deleted before it was taken stays pending.
    .where('gone_at', 'is', null)
    .executeTakeFirst();
  if (pending)
    throw new EngineError('busy', `snapshot ${pending.id} of volume ${volumeId} is being taken`, {
      patienceMs: copyPatienceMs,
    });
}
