import type { Run } from '../../control/loop.ts';
import { EngineError } from '../../engine/errors.ts';
import type { Host } from '../../engine/host/port.ts';
import type { Queryable } from '../../store/store.ts';
import { hostVolume, type VolumeRow } from './row.ts';
import { copyPatienceMs } from './snapshot-gate.ts';

/**
 * Sees to it that a volume's bytes are there, and answers the host's block device of it.
 * @throws Interrupted where that is slow and its lane full; EngineError `busy` while the snapshot that it is made from is still being taken; what `ensureVolume` throws
 */
export async function volumeDevice(
  db: Queryable,
  host: Host,
  volume: Omit<VolumeRow, 'tags' | 'attached' | 'held'>,
  run: Pick<Run, 'slow'>,
): Promise<string> {
  if (volume.snapshot_id !== null) {
    const source = await db
      .selectFrom('volume_snapshots')
      .select('status')
      .where('id', '=', volume.snapshot_id)
      .executeTakeFirst();
    if (source?.status === 'pending')
      throw new EngineError('busy', `volume ${volume.id} waits for its snapshot ${volume.snapshot_id}`, {
        patienceMs: copyPatienceMs,
      });
    // Its bytes may be yet to be copied.
    run.slow();
  }
  const { device } = await host.ensureVolume(hostVolume(volume));
  return device;
}
