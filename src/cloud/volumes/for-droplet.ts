import type { Caller } from '../../base/caller.ts';
import { invalid, unprocessable } from '../../http/errors.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Tx } from '../../store/store.ts';
import { missingText } from './missing.ts';
import { findVolume, selectVolumes, type VolumeReference, type VolumeRow } from './row.ts';
import { maxVolumesPerDroplet } from './schema.ts';

/**
 * The volumes that an order for a droplet names, in its order, locked until the transaction ends. An entry is an id,
 * `{"id": …}` or `{"name": …}`: clients send all three.
 * @throws ApiError 422 naming the entry that cannot be attached
 */
export async function volumesFor(
  tx: Tx,
  caller: Caller,
  region: string,
  refs: readonly unknown[],
): Promise<VolumeRow[]> {
  if (refs.length > maxVolumesPerDroplet) {
    throw invalid(
      'volumes',
      `has ${refs.length} entries; a Droplet can have at most ${maxVolumesPerDroplet} volumes.`,
    );
  }
  const ids: string[] = [];
  for (const [index, ref] of refs.entries()) {
    const field = `volumes[${index}]`;
    const volume = await findVolume(tx, caller, referenceOf(field, region, ref));
    if (!volume) throw invalid(field, 'is not one of your volumes. GET /v2/volumes lists them.');
    if (ids.includes(volume.id)) throw invalid(field, 'names a volume that the order has already.');
    ids.push(volume.id);
  }
  if (ids.length === 0) return [];
  // In order of id, so that two such orders cannot wait for each other in a circle.
  const rows = await selectVolumes(tx)
    .where(anyOf('volumes.id', ids))
    .where('volumes.deleted_at', 'is', null)
    .orderBy('volumes.id')
    .forUpdate('volumes')
    .execute();
  return ids.map((id, index) => {
    const field = `volumes[${index}]`;
    const volume = rows.find((row) => row.id === id);
    if (!volume) throw invalid(field, 'is not one of your volumes. GET /v2/volumes lists them.');
    if (volume.region !== region)
      throw invalid(field, `is in ${volume.region}, but the Droplet is to be in ${region}.`);
    if (volume.held || volume.pending_action_id !== null)
      throw invalid(field, 'is attached to another Droplet, or is just being detached from one.');
    if (volume.missing_at) throw unprocessable(`${field}: ${missingText('volume', volume.missing_at)}`);
    return volume;
  });
}

function referenceOf(field: string, region: string, ref: unknown): VolumeReference {
  const given =
    typeof ref === 'object' && ref !== null ? (ref as { id?: unknown; name?: unknown }) : { id: ref };
  if (typeof given.id === 'string' && given.id) return { id: given.id };
  if (typeof given.name === 'string' && given.name) return { name: given.name, region };
  throw invalid(field, 'must be the id of a volume, {"id": …} or {"name": …}.');
}
