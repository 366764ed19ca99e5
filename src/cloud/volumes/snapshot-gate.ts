import { EngineError } from '../../engine/errors.ts';
import type { Queryable } from '../../store/store.ts';

/** How long a copy of a volume's bytes is waited for, ms: a host that has not done it in two hours will not. */
export const copyPatienceMs = 7_200_000;

/**
 * Lets a volume be taken off its machine only when no snapshot of it is being taken: the host holds its filesystem
 * still for that, and a volume that is held cannot be unmounted.
 * @throws EngineError `busy`
 */
export async function awaitSnapshots(db: Queryable, volumeId: string): Promise<void> {
  const pending = await db
    .selectFrom('volume_snapshots')
    .select('id')
    .where('volume_id', '=', volumeId)
    .where('status', '=', 'pending')
    .executeTakeFirst();
  if (pending)
    throw new EngineError('busy', `snapshot ${pending.id} of volume ${volumeId} is being taken`, {
      patienceMs: copyPatienceMs,
    });
}
