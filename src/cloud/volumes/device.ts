import { EngineError } from '../../base/engine-error.ts';
import type { Run } from '../../control/loop.ts';
import type { Host } from '../../engine/node/port.ts';
import { recordEvent } from '../../store/events.ts';
import { type MissingDeps, snapshotIsMissing, volumeIsMissing } from './missing.ts';
import { hostVolume, type VolumeRow, volumeUrn } from './row.ts';
import { awaitSnapshots, copyPatienceMs } from './snapshot-gate.ts';

export interface DeviceDeps extends MissingDeps {
  host: Pick<Host, 'ensureVolume'>;
}

/**
 * Sees to it that a volume's bytes are there, and answers the host's block device of it. They are made once: after that,
 * bytes that are not there are missing, which is written down, and nothing takes their place.
 * @throws Interrupted where that is slow and its lane full; EngineError `busy` while the snapshot that it is made from, or
 * one of it, is still being taken (`forSnapshot`: it is for that one); what `ensureVolume` throws
 */
export async function volumeDevice(
  deps: DeviceDeps,
  volume: Omit<VolumeRow, 'tags' | 'attached' | 'held'>,
  run: Pick<Run, 'slow'>,
  { forSnapshot = false }: { forSnapshot?: boolean } = {},
): Promise<string> {
  const { clock, host, log } = deps;
  const { db } = deps.store;
  const make = volume.made_at === null;
  // The host does one thing at a time with a volume: whoever asked now would wait for the copy in a quick slot.
  if (!forSnapshot) await awaitSnapshots(db, volume.id);
  if (make && volume.snapshot_id !== null) {
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
  let device: string;
  try {
    ({ device } = await host.ensureVolume(hostVolume(volume), { make }));
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'missing') {
      if (!make) await volumeIsMissing(deps, volume.id, error);
      else if (volume.snapshot_id !== null) await snapshotIsMissing(deps, volume.snapshot_id, error);
    }
    throw error;
  }
  // After a crash before this, the file is there: it is whole, and taken for what was made.
  if (make || volume.missing_at !== null) {
    const at = clock.now();
    await deps.store.transaction(async (tx) => {
      await tx
        .updateTable('volumes')
        .set({ made_at: volume.made_at ?? at, missing_at: null })
        .where('id', '=', volume.id)
        .execute();
      const { team_id: teamId, id } = volume;
      if (volume.missing_at) await recordEvent(tx, { at, teamId, urn: volumeUrn(id), change: 'changed' });
    });
  }
  if (volume.missing_at) log.info({ volume: volume.id }, 'the bytes of a volume are back');
  return device;
}
