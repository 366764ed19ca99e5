/** What to do next about a snapshot of a volume: pure. */
import type { Plan } from '../../control/converge.ts';
import { copyPatienceMs } from './snapshot-gate.ts';
import type { SnapshotRow } from './snapshot-row.ts';

export interface ObservedSnapshot {
  /** A volume that wants its first bytes from it and has none yet. */
  wanting?: string | undefined;
  /** It was taken in this run, and has so many bytes. */
  taken?: number;
  /** Whether its bytes were found in this run. */
  found?: 'there' | 'missing';
  /** Its bytes were deleted in this run. */
  deleted?: boolean;
}

export type SnapshotStep = { do: 'take' } | { do: 'look' } | { do: 'delete' };
export type SnapshotEnd = 'taken' | 'there' | 'missing' | 'gone';

export function planSnapshot(
  { id, deleted_at, status }: Pick<SnapshotRow, 'id' | 'deleted_at' | 'status'>,
  { wanting, taken, found, deleted }: ObservedSnapshot,
): Plan<SnapshotStep, SnapshotEnd> {
  if (deleted) return { settled: 'gone' };
  // One that is deleted is still taken where a volume is to be made from it.
  if (deleted_at && !(wanting && status === 'pending')) {
    // That volume's reconciler wakes this snapshot. Where a droplet's run has made the volume, nothing does: so it waits.
    if (wanting)
      return {
        wait: `volume ${wanting} is yet to be made from snapshot ${id}`,
        patienceMs: copyPatienceMs,
      };
    return { steps: [{ do: 'delete' }] };
  }
  if (status === 'pending') return taken === undefined ? { steps: [{ do: 'take' }] } : { settled: 'taken' };
  return found ? { settled: found } : { steps: [{ do: 'look' }] };
}
