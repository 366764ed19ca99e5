import type { Exists } from '../tags/index.ts';
import { findVolume } from './row.ts';
import { findSnapshot } from './snapshot-row.ts';

/** Whether a team has a volume of this id, for tagging it. */
export const volumeTaggable: Exists = async (tx, teamId, id) =>
  (await findVolume(tx, { teamId }, { id })) !== undefined;

/** Whether a team has a volume snapshot of this id, for tagging it. */
export const volumeSnapshotTaggable: Exists = async (tx, teamId, id) =>
  (await findSnapshot(tx, { teamId }, id)) !== undefined;
