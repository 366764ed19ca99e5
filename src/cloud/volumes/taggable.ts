import type { Exists } from '../tags/index.ts';
import { lockVolume } from './row.ts';
import { findSnapshot } from './snapshot-row.ts';

/**
 * Whether a team has a volume of this id, for tagging it: it cannot be deleted before the transaction ends, so that no
 * tag stays on a volume that is gone.
 */
export const volumeTaggable: Exists = async (tx, teamId, id) =>
  (await lockVolume(tx, { teamId }, { id })) !== undefined;

/** The same for a volume snapshot. */
export const volumeSnapshotTaggable: Exists = async (tx, teamId, id) =>
  (await findSnapshot(tx, { teamId }, id, 'lock')) !== undefined;
