/** Snapshots and backups: images that the droplet's own reconciler takes of its disk, and that droplets are made from. */
import { type RawBuilder, sql } from 'kysely';
import { insertEvents } from '../../store/events.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { untagging } from '../tags/index.ts';
import { resolveImage } from './catalogue.ts';
import { imageKind } from './reconcile.ts';
import { imageUrn, snapshotName } from './row.ts';

export interface NewSnapshot {
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

/** Writes down a snapshot or backup that is to be taken of a droplet, `pending` until `finishSnapshot`; answers its id. */
export async function newSnapshot(tx: Tx, image: NewSnapshot): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    ${insertSnapshot(image, sql`(select) as once`)} returning id`.execute(tx);
  const [row] = rows;
  if (!row) throw new Error('The image was not written.');
  return row.id;
}

/**
 * SQL that does what `newSnapshot` does, for a statement that does more: for each row of `from`, whose columns the name
 * may use.
 */
export const insertSnapshot = (
  image: Omit<NewSnapshot, 'name'> & { name: string | RawBuilder<string> },
  from: RawBuilder<unknown>,
): RawBuilder<unknown> => sql`
  insert into images (team_id, droplet_id, name, type, status, distribution, regions, min_disk_gib, created_at)
  select ${image.teamId}::uuid, ${image.dropletId}::bigint, ${image.name}, ${image.type}, 'pending',
    ${distributionSql(image.imageId)}, array[${image.region}], ${image.minDiskGib}::int, ${image.at}::timestamptz
  from ${from}`;

/** The distribution of an image, public or a team's own. */
const distributionSql = (imageId: number): RawBuilder<string> =>
  sql<string>`coalesce((select distribution from images where id = ${imageId}),
    (select distribution from public_images where id = ${imageId} order by number desc limit 1),
    ${resolveImage(imageId)?.distribution ?? 'Unknown'})`;

/**
 * Ends what `newSnapshot` began: the image is there, with the bytes it takes, or it never came to be, and then it
 * is deleted at `at`, with what is left of it in the engine. An image that was deleted meanwhile stays deleted.
 */
export async function finishSnapshot(
  db: Queryable,
  imageId: number,
  result: { bytes: number; at: Date } | { error: string; at: Date },
): Promise<void> {
  const taken = 'bytes' in result;
  const [bytes, error] = taken ? [result.bytes, ''] : [null, result.error];
  const { rows } = await sql`
    with changed as (
      update images set status = ${taken ? 'available' : 'error'}, bytes = coalesce(${bytes}::bigint, bytes),
        error_message = ${error}, deleted_at = ${taken ? null : result.at}::timestamptz
      where id = ${imageId} and deleted_at is null returning team_id
    ), recorded as (${insertEvents(sql`
      select ${result.at}::timestamptz, team_id, ${imageUrn(imageId)}, 'created', null::bigint
      from changed where ${taken}`)})
    select from changed`.execute(db);
  if (rows.length > 0 && taken) return;
  // What is left of it is cleared away; of one that was deleted meanwhile, the snapshot was taken after the first clean-up.
  await sql`select wake(${imageKind}, id::text, deleted_at) from images where id = ${imageId}`.execute(db);
}

/** What the engine is to call a droplet's snapshot, and whose it is. */
export async function engineSnapshot(db: Queryable, imageId: number): Promise<{ urn: string; name: string }> {
  const image = await db
    .selectFrom('images')
    .select(['id', 'nonce'])
    .where('id', '=', imageId)
    .executeTakeFirstOrThrow();
  return { urn: imageUrn(imageId), name: snapshotName(image) };
}

/** Ends the snapshots and backups that are still to be taken of a droplet: they never came to be. */
export async function abandonSnapshots(
  tx: Tx,
  dropletId: number,
  end: { error: string; at: Date },
): Promise<void> {
  const pending = await tx
    .selectFrom('images')
    .select('id')
    .where('droplet_id', '=', dropletId)
    .where('status', '=', 'pending')
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  for (const { id } of pending) await finishSnapshot(tx, id, end);
}

/**
 * Deletes images at once for the API, and what was offered of them; their bytes follow. Those that are deleted
 * already stay as they are, and with `type` those that have become another one. They are locked first, as the statement
 * that takes off their tags must see those of whoever had them locked. Answers those that it deleted, with the names of
 * the tags that they had.
 */
export async function deleteImages(
  tx: Tx,
  ids: readonly number[],
  at: Date,
  type: 'backup' | null = null,
): Promise<{ id: number; team_id: string; tags: string[] }[]> {
  if (ids.length === 0) return [];
  await sql`select from images where id = any(${ids}::bigint[]) order by id for update`.execute(tx);
  const { rows } = await sql<{ id: number; team_id: string; tags: string[] }>`
    with deleted as (
      update images set deleted_at = ${at}
      where id = any(${ids}::bigint[]) and deleted_at is null and (${type}::text is null or type = ${type})
      returning id, team_id
    ), untagged as (
      ${untagging('image', sql`select id::text from deleted`)}
    ), withdrawn as (
      update image_transfers set status = 'cancelled', ended_at = ${at}
      where image_id in (select id from deleted) and status = 'pending'
    )
    select id, team_id, array(select name from untagged where resource_id = deleted.id::text) as tags,
      wake(${imageKind}, id::text, ${at})
    from deleted`.execute(tx);
  return rows;
}

/** The snapshots of a droplet that are there. */
export const snapshotsOf = (db: Queryable, dropletId: number): Promise<{ id: number; name: string }[]> =>
  db
    .selectFrom('images')
    .select(['id', 'name'])
    .where('droplet_id', '=', dropletId)
    .where('type', '=', 'snapshot')
    .where('status', '=', 'available')
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
