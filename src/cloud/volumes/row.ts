/** Volumes as the database has them, with what their views and commands need. */
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Caller } from '../../base/caller.ts';
import type { VolumeAttachment } from '../../engine/compute/port.ts';
import type { HostVolume } from '../../engine/node/port.ts';
import { isUuid } from '../../http/formats.ts';
import type { Volumes } from '../../store/schema.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import type { AskedOfHost } from '../hosts/index.ts';
import { tagsOf } from '../tags/index.ts';

export type VolumeRow = Selectable<Volumes> & {
  tags: string[];
  /** It is attached to a droplet that is there, or is being made. */
  attached: boolean;
  /** A machine may have it: also one that is not gone yet, though its droplet is deleted or could not be made. */
  held: boolean;
};

export const volumeUrn = (id: string): string => `do:volume:${id}`;

/** What a volume of this size takes of its host. */
export const takenOfHost = (sizeGib: number): AskedOfHost => ({ dedicated: false, volumeGib: sizeGib });

/** The volumes of a team, whatever their state, to be narrowed down. Lock them with `forUpdate('volumes')`. */
export const selectVolumes = (db: Queryable) =>
  db
    .selectFrom('volumes')
    .leftJoin('droplets', 'droplets.id', 'volumes.droplet_id')
    .selectAll('volumes')
    .select([
      tagsOf('volume', 'volumes.id').as('tags'),
      sql<boolean>`volumes.droplet_id is not null and droplets.deleted_at is null
        and (droplets.root_done > 0 or droplets.pending_action_id is not null)`.as('attached'),
      sql<boolean>`volumes.droplet_id is not null and droplets.gone_at is null`.as('held'),
    ]);

/** Which volume a request means. */
export type VolumeReference = { id: string } | { name: string; region?: string };

/** The caller's volumes that a reference may mean: one at most by id, or by name in a region. */
function meant(db: Queryable, caller: Pick<Caller, 'teamId'>, reference: VolumeReference) {
  const own = selectVolumes(db)
    .where('volumes.team_id', '=', caller.teamId)
    .where('volumes.deleted_at', 'is', null)
    .orderBy('volumes.id');
  if ('id' in reference) return own.where('volumes.id', '=', reference.id);
  const named = own.where('volumes.name', '=', reference.name);
  return reference.region ? named.where('volumes.region', '=', reference.region.toLowerCase()) : named;
}

/** The caller's volume, or undefined; by a name that is used in several regions, none. */
export async function findVolume(
  db: Queryable,
  caller: Pick<Caller, 'teamId'>,
  reference: VolumeReference,
): Promise<VolumeRow | undefined> {
  if ('id' in reference && !isUuid(reference.id)) return undefined;
  const rows = await meant(db, caller, reference).limit(2).execute();
  return rows.length === 1 ? rows[0] : undefined;
}

/** As `findVolume`; the volume is locked until the transaction ends. */
export async function lockVolume(
  tx: Tx,
  caller: Pick<Caller, 'teamId'>,
  reference: VolumeReference,
): Promise<VolumeRow | undefined> {
  const found = await findVolume(tx, caller, reference);
  return found && meant(tx, caller, { id: found.id }).forUpdate('volumes').executeTakeFirst();
}

/** The volumes that are to be attached to a droplet, in the order of their ids. */
export function attachedVolumes(db: Queryable, dropletId: number): Promise<VolumeRow[]> {
  return selectVolumes(db)
    .where('volumes.droplet_id', '=', dropletId)
    .where('volumes.deleted_at', 'is', null)
    .orderBy('volumes.id')
    .execute();
}

/** SQL for the ids of a droplet's volumes, the oldest first. `droplet`: the column of its id. */
export const volumeIdsOf = (droplet: string): RawBuilder<string[]> =>
  sql<string[]>`array(select volumes.id::text from volumes where volumes.droplet_id = ${sql.ref(droplet)}
    and volumes.deleted_at is null order by volumes.created_at, volumes.id)`;

/** A volume as a machine gets it. `device`: the host's. */
export function attachment(row: Selectable<Volumes>, device: string): VolumeAttachment {
  const { id, name, filesystem_type: type, filesystem_label: label } = row;
  return { id, name, device, ...((type === 'ext4' || type === 'xfs') && { filesystem: { type, label } }) };
}

/** What the host must hold of a volume. One that is made from a snapshot brings its filesystem along. */
export function hostVolume(row: Selectable<Volumes>): HostVolume {
  const { id, size_gib: sizeGib, snapshot_id, filesystem_type: type, filesystem_label: label } = row;
  if (snapshot_id !== null) return { id, sizeGib, fromSnapshot: snapshot_id };
  return type === 'ext4' || type === 'xfs' ? { id, sizeGib, filesystem: { type, label } } : { id, sizeGib };
}
