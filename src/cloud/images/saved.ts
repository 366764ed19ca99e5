/** Snapshots and backups: images whose disk the droplet's own reconciler keeps, and droplets are made from. */
import { wake } from '../../control/reconcile.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { resolveImage } from './catalogue.ts';
import { imageKind } from './reconcile.ts';

export interface NewSavedImage {
  teamId: string;
  dropletId: number;
  name: string;
  type: 'snapshot' | 'backup';
  region: string;
  /** The droplet's disk. */
  minDiskGib: number;
  /** What the droplet was made of: its snapshots show the same distribution. */
  imageId: number;
  at: Date;
}

/** Writes down an image that is to be kept of a droplet, `pending` until `finishSave`; answers its id. */
export async function newSavedImage(tx: Tx, image: NewSavedImage): Promise<number> {
  const { id } = await tx
    .insertInto('images')
    .values({
      team_id: image.teamId,
      droplet_id: image.dropletId,
      name: image.name,
      type: image.type,
      status: 'pending',
      distribution: await distributionOf(tx, image.imageId),
      regions: [image.region],
      min_disk_gib: image.minDiskGib,
      created_at: image.at,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

async function distributionOf(db: Queryable, imageId: number): Promise<string> {
  const own = await db
    .selectFrom('images')
    .select('distribution')
    .where('id', '=', imageId)
    .executeTakeFirst();
  return own?.distribution ?? resolveImage(imageId)?.distribution ?? 'Unknown';
}

/** The images that are still to be kept of a droplet, oldest first. */
export async function pendingSaves(
  db: Queryable,
  dropletId: number,
): Promise<{ id: number; name: string }[]> {
  return db
    .selectFrom('images')
    .select(['id', 'name'])
    .where('droplet_id', '=', dropletId)
    .where('status', '=', 'pending')
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
}

/**
 * Ends what `newSavedImage` began: the image is there, with the bytes it takes, or it never came to be, and then it
 * is deleted at `at`, with what is left of it in the engine. An image that was deleted meanwhile stays deleted.
 */
export async function finishSave(
  tx: Tx,
  imageId: number,
  result: { bytes: number } | { error: string; at: Date },
): Promise<void> {
  const row = await tx
    .selectFrom('images')
    .select(['deleted_at', 'created_at'])
    .where('id', '=', imageId)
    .forUpdate()
    .executeTakeFirst();
  if (!row) return;
  // Its disk was kept after the first clean-up.
  if (row.deleted_at) return wake(tx, imageKind, String(imageId), row.deleted_at);
  const changes =
    'bytes' in result
      ? { status: 'available', bytes: result.bytes }
      : { status: 'error', error_message: result.error, deleted_at: result.at };
  await tx.updateTable('images').set(changes).where('id', '=', imageId).execute();
  if ('error' in result) await wake(tx, imageKind, String(imageId), result.at);
}

/** Deletes images at once for the API; their bytes follow. Those that are deleted already stay as they are. */
export async function deleteImages(tx: Tx, ids: readonly number[], at: Date): Promise<void> {
  if (ids.length === 0) return;
  const deleted = await tx
    .updateTable('images')
    .set({ deleted_at: at })
    .where('id', 'in', ids)
    .where('deleted_at', 'is', null)
    .returning('id')
    .execute();
  const texts = deleted.map(({ id }) => String(id));
  if (texts.length === 0) return;
  await tx
    .deleteFrom('taggings')
    .where('resource_type', '=', 'image')
    .where('resource_id', 'in', texts)
    .execute();
  for (const id of texts) await wake(tx, imageKind, id, at);
}
