/** Creating volumes: what is wanted is written down; the loop makes the bytes. */
import { sql } from 'kysely';
import type { Static } from 'typebox';
import { type Asked, command } from '../../control/command.ts';
import { ApiError, conflict, invalid, quoted, unprocessable } from '../../http/errors.ts';
import type { Tx } from '../../store/store.ts';
import { teamLimit } from '../account/index.ts';
import { holdRoom, reserveOn } from '../hosts/index.ts';
import { checkRegion } from '../regions/index.ts';
import { checkTagNames, ensureTags, tagResources, tagsGiven } from '../tags/index.ts';
import type { VolumesDeps } from './context.ts';
import { volumeKind } from './kinds.ts';
import { missingText } from './missing.ts';
import { checkLabel, checkVolumeName } from './names.ts';
import { selectVolumes, takenOfHost, type VolumeRow, volumeUrn } from './row.ts';
import type { VolumeCreate } from './schema.ts';
import { findSnapshot, type SnapshotRow } from './snapshot-row.ts';

type Body = Static<typeof VolumeCreate>;

/** Creates a volume. @throws ApiError 422 naming the field, 403 at the account's limit, 409 for a name in use */
export function createVolume(deps: VolumesDeps, request: Asked & { body: Body }): Promise<VolumeRow> {
  const { caller, body } = request;
  checkVolumeName(body.name);
  checkLabel(body.filesystem_type, body.filesystem_label);
  const tagNames = checkTagNames('tags', body.tags ?? []);
  return command(deps, request, 'volumes_create', async ({ tx, at, changed }) => {
    // First: whoever waits for room holds nothing that others wait for.
    const room = await holdRoom(tx, body.size_gigabytes ? takenOfHost(body.size_gigabytes) : 'alone');
    const source = await sourceOf(tx, request);
    const region = regionOf(body, source);
    const size_gib = sizeOf(body, source);
    await checkLimit(tx, caller.teamId);
    const host = room.place(takenOfHost(size_gib), { region });
    const made = await tx
      .insertInto('volumes')
      .values({
        team_id: caller.teamId,
        region,
        name: body.name,
        description: body.description ?? '',
        size_gib,
        filesystem_type: source?.filesystem_type || (body.filesystem_type ?? ''),
        filesystem_label: source?.filesystem_label || (body.filesystem_label ?? ''),
        snapshot_id: source?.id ?? null,
        created_at: at,
      })
      .onConflict((same) =>
        same.columns(['team_id', 'region', 'name']).where('deleted_at', 'is', null).doNothing(),
      )
      .returning('id')
      .executeTakeFirst();
    if (!made) throw conflict(`failed to create volume: ${quoted(body.name)} already exists in ${region}.`);
    await reserveOn(tx, host, volumeUrn(made.id), takenOfHost(size_gib));
    const tags = await ensureTags(tx, caller.teamId, tagNames, deps.clock);
    await tagResources(tx, tags, 'volume', [made.id], deps.clock);
    changed(...tagsGiven(tags), { urn: volumeUrn(made.id), change: 'created', wake: [volumeKind, made.id] });
    return selectVolumes(tx).where('volumes.id', '=', made.id).executeTakeFirstOrThrow();
  });
}

async function sourceOf(tx: Tx, { caller, body }: Asked & { body: Body }): Promise<SnapshotRow | undefined> {
  if (!body.snapshot_id) return undefined;
  const snapshot = await findSnapshot(tx, caller, body.snapshot_id, 'lock');
  if (snapshot?.missing_at) throw unprocessable(missingText('snapshot', snapshot.missing_at));
  if (snapshot) return snapshot;
  throw invalid(
    'snapshot_id',
    'is not one of your volume snapshots. GET /v2/snapshots?resource_type=volume lists them.',
  );
}

function regionOf(body: Body, source: SnapshotRow | undefined): string {
  if (!body.region && source) return source.region;
  if (!body.region) throw invalid('region', 'is missing: it says where the volume is to be.');
  const region = checkRegion('region', body.region);
  if (source && source.region !== region.slug)
    throw invalid('region', `differs from the snapshot's, which is in ${source.region} and cannot be moved.`);
  return region.slug;
}

function sizeOf(body: Body, source: SnapshotRow | undefined): number {
  const size = body.size_gigabytes ?? source?.size_gib;
  if (size === undefined) throw invalid('size_gigabytes', 'is missing: give the size in GiB.');
  if (source && size < source.size_gib)
    throw invalid('size_gigabytes', `is smaller than the snapshot, which needs ${source.size_gib} GiB.`);
  return size;
}

/** The team's row is locked, so that two creates at once cannot both take the last place. */
async function checkLimit(tx: Tx, teamId: string): Promise<void> {
  const limit = await teamLimit(tx, teamId, 'volume_limit', 'lock');
  const { count } = await tx
    .selectFrom('volumes')
    .select(sql<number>`count(*)`.as('count'))
    .where('team_id', '=', teamId)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (count < limit) return;
  throw new ApiError(
    'forbidden',
    `failed to create volume: volume/snapshot capacity limit exceeded. The account may have ${limit} volumes; delete some first.`,
  );
}
