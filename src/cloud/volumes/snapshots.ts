/** Commands on the snapshots of volumes. */
import { sql } from 'kysely';
import type { Caller } from '../../base/caller.ts';
import { type Asked, command } from '../../control/command.ts';
import { notFound, unprocessable } from '../../http/errors.ts';
import type { Listed } from '../../http/list.ts';
import type { PageOfRows } from '../../store/page.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { needSpace } from '../hosts/index.ts';
import { checkTagNames, ensureTags, tagResources, tagsGiven, untagResource } from '../tags/index.ts';
import type { VolumesDeps } from './context.ts';
import { volumeSnapshotKind } from './kinds.ts';
import { checkBytes } from './missing.ts';
import { lockVolume, volumeUrn } from './row.ts';
import { maxSnapshotsPerVolume } from './schema.ts';
import { findSnapshot, type SnapshotRow, selectSnapshots, volumeSnapshotUrn } from './snapshot-row.ts';

/** Orders a snapshot of a volume, attached or not. @throws ApiError 404, 422 */
export function createSnapshot(
  deps: VolumesDeps,
  request: Asked & { body: { name: string; tags?: string[] | null } },
  volumeId: string,
): Promise<SnapshotRow> {
  const { caller, body } = request;
  const tagNames = checkTagNames('tags', body.tags ?? []);
  return command(deps, request, 'volumeSnapshots_create', async ({ tx, at, changed }) => {
    const volume = await lockVolume(tx, caller, { id: volumeId });
    if (!volume) throw notFound();
    checkBytes(volume);
    await checkRoom(tx, volume.id);
    await needSpace(tx, volumeUrn(volume.id), 'volumes');
    const { id } = await tx
      .insertInto('volume_snapshots')
      .values({
        team_id: caller.teamId,
        volume_id: volume.id,
        region: volume.region,
        name: body.name,
        size_gib: volume.size_gib,
        filesystem_type: volume.filesystem_type,
        filesystem_label: volume.filesystem_label,
        created_at: at,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const tags = await ensureTags(tx, caller.teamId, tagNames, deps.clock);
    await tagResources(tx, tags, 'volume_snapshot', [id], deps.clock);
    changed(...tagsGiven(tags), {
      urn: volumeSnapshotUrn(id),
      change: 'created',
      wake: [volumeSnapshotKind, id],
    });
    return selectSnapshots(tx).where('id', '=', id).executeTakeFirstOrThrow();
  });
}

async function checkRoom(tx: Tx, volumeId: string): Promise<void> {
  const { count } = await tx
    .selectFrom('volume_snapshots')
    .select(sql<number>`count(*)`.as('count'))
    .where('volume_id', '=', volumeId)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (count < maxSnapshotsPerVolume) return;
  throw unprocessable(
    `A volume can have at most ${maxSnapshotsPerVolume} snapshots. Delete one of them first.`,
  );
}

/** Deletes a volume's snapshot; what was made from it stays. @throws ApiError 404 */
export function deleteVolumeSnapshot(
  deps: VolumesDeps,
  request: Asked & { operation: string },
  snapshotId: string,
): Promise<void> {
  return command(deps, request, request.operation, async ({ tx, at, changed }) => {
    const snapshot = await findSnapshot(tx, request.caller, snapshotId, 'lock');
    if (!snapshot) throw notFound();
    changed(...(await untagResource(tx, 'volume_snapshot', snapshot.id)));
    await tx.updateTable('volume_snapshots').set({ deleted_at: at }).where('id', '=', snapshot.id).execute();
    changed({
      urn: volumeSnapshotUrn(snapshot.id),
      change: 'deleted',
      wake: [volumeSnapshotKind, snapshot.id],
    });
  });
}

/** One page of a volume's snapshots, oldest first, and how many there are. @throws ApiError 404 */
export async function listSnapshots(
  db: Queryable,
  caller: Caller,
  volumeId: string,
  page: PageOfRows,
): Promise<Listed<SnapshotRow>> {
  const volume = await db
    .selectFrom('volumes')
    .select(({ selectFrom }) =>
      selectFrom('volume_snapshots')
        .select(sql<number>`count(*)`.as('total'))
        .whereRef('volume_id', '=', 'volumes.id')
        .where('deleted_at', 'is', null)
        .as('total'),
    )
    .where('id', '=', volumeId)
    .where('team_id', '=', caller.teamId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (!volume) throw notFound();
  const rows = await selectSnapshots(db)
    .where('volume_id', '=', volumeId)
    .where('deleted_at', 'is', null)
    .orderBy('created_at')
    .orderBy('id')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  return { rows, total: volume.total ?? 0 };
}
