/** What to do next about a volume: pure. */
import type { Plan } from '../../control/converge.ts';
import type { VolumeRow } from './row.ts';

export interface ObservedVolume {
  /** A machine in quarantine that has it attached: no row of this database says so. */
  stranger?: string | undefined;
  /** One of its snapshots is yet to be taken. */
  owesSnapshot?: boolean;
  /** Its bytes were found, or made, in this run, and are as large as this. GiB. */
  ensuredGib?: number;
  /** The bytes that it had, or that it is made from, were not found in this run. */
  missing?: boolean;
  /** Its bytes were deleted in this run. */
  deleted?: boolean;
}

export type VolumeStep = { do: 'ensure' } | { do: 'delete' };
/** `owed`: it is deleted once its last pending snapshot is taken, which wakes it. */
export type VolumeEnd = 'there' | 'missing' | 'owed' | 'gone';

type DesiredVolume = Pick<VolumeRow, 'id' | 'size_gib' | 'deleted_at' | 'held' | 'droplet_id'>;

export function planVolume(row: DesiredVolume, observed: ObservedVolume): Plan<VolumeStep, VolumeEnd> {
  if (row.deleted_at) return planRemoval(row, observed);
  if (observed.missing) return { settled: 'missing' };
  return observed.ensuredGib === row.size_gib ? { settled: 'there' } : { steps: [{ do: 'ensure' }] };
}

function planRemoval(
  { id, held, droplet_id }: DesiredVolume,
  { stranger, owesSnapshot, deleted }: ObservedVolume,
): Plan<VolumeStep, VolumeEnd> {
  if (deleted) return { settled: 'gone' };
  // Another volume gets the same device next, which this machine could then read.
  if (held) return { wait: `droplet ${droplet_id}, which may have volume ${id}, is not gone yet` };
  if (stranger) return { wait: `${stranger}, which is in quarantine, has volume ${id}: see ./atoll orphans` };
  return owesSnapshot ? { settled: 'owed' } : { steps: [{ do: 'delete' }] };
}
