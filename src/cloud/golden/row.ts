import { sql } from 'kysely';
import { wake } from '../../control/reconcile.ts';
import type { DiskSource } from '../../engine/compute/port.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { goldenName, isPublicImage } from './names.ts';
import type { GoldenRow } from './plan.ts';

export const goldenKind = 'golden';

/** How long something may wait for an image, ms; to be named by whoever waits with `busy`. */
export const goldenPatienceMs = 30 * 60_000;

/** A failure of before this is no answer to a need of now: it is tried again at once, ms. */
const staleFailureMs = 60_000;

/**
 * Notes that something needs this image, at `at`, and has it made where it is not there. In a command, or in a run, also
 * of one that waits for it: an image that nothing needed for a week, and nobody asked for, is not kept.
 */
export async function needGolden(tx: Queryable, name: string, at: Date): Promise<void> {
  const stale = new Date(at.getTime() - staleFailureMs);
  const { rows } = await sql`
    insert into golden_images as g (name, used_at, phase, since) values (${name}, ${at}, 'waiting', ${at})
    on conflict (name) do update set used_at = ${at},
      phase = case when g.phase = 'unused' or g.phase = 'failed' and g.since < ${stale} then 'waiting' else g.phase end,
      since = case when g.phase = 'unused' or g.phase = 'failed' and g.since < ${stale} then ${at} else g.since end
    where g.used_at is null or g.used_at < ${stale} or g.phase in ('unused', 'failed')
    returning name`.execute(tx);
  if (rows.length > 0) await wake(tx, goldenKind, name, at);
}

/** What machines are made of, with the digest that tells whether they are of the newest; or why that cannot be had. */
export type GoldenSource =
  | { source: DiskSource; digest: string }
  /** For a person: `the image edge is being built: installing packages, for 34 s`. */
  | { waiting: string }
  /** For a person, with what the operator can do. */
  | { failed: string };

/** The image that was noted by `needGolden`. `at`: now, for the text of a wait. */
export async function goldenSource(db: Queryable, name: string, at?: Date): Promise<GoldenSource> {
  const row = await goldenRow(db, name);
  return row ? sourceOf(row, at) : { waiting: waitingText(name, 'is waiting to be built') };
}

export function sourceOf(row: GoldenRow, at?: Date): GoldenSource {
  const { name, phase, message, since, digest } = row;
  // While a newer one is made, the old one serves.
  if (digest !== null)
    return {
      source: isPublicImage(name) ? { image: name } : { snapshot: goldenName(name, digest) },
      digest,
    };
  if (phase === 'failed') return { failed: `The image ${name} could not be made: ${message}` };
  const age = at ? `, for ${Math.max(0, Math.round((at.getTime() - since.getTime()) / 1000))} s` : '';
  if (phase === 'building')
    return { waiting: waitingText(name, `is being built: ${message || 'starting'}${age}`) };
  if (phase === 'unpacking') return { waiting: waitingText(name, `is being unpacked${age}`) };
  return { waiting: waitingText(name, `is waiting to be built${age}`) };
}

/** The digest of what machines are made of now; undefined where there is none: what was made of another one is outdated. */
export async function goldenDigest(db: Queryable, name: string): Promise<string | undefined> {
  return (await goldenRow(db, name))?.digest ?? undefined;
}

/** How every text of a wait for this image begins: by it those who wait are found, see `wakeWaiting`. */
export const waitingText = (name: string, what: string): string => `the image ${name} ${what}`;

export const goldenRow = (db: Queryable, name: string): Promise<GoldenRow | undefined> =>
  db.selectFrom('golden_images').selectAll().where('name', '=', name).executeTakeFirst();

/** Has these images made and kept whether or not something needs them; those that are there already stay. */
export async function askGolden(tx: Tx, names: readonly string[], at: Date): Promise<void> {
  for (const name of names) {
    await tx
      .insertInto('golden_images')
      .values({ name, asked: true, phase: 'waiting', since: at })
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet({
          asked: true,
          phase: sql`case when golden_images.phase in ('unused', 'failed') then 'waiting' else golden_images.phase end`,
          since: sql`case when golden_images.phase in ('unused', 'failed') then ${at} else golden_images.since end`,
        }),
      )
      .execute();
    await wake(tx, goldenKind, name, at);
  }
}

/** Has all images looked at that are kept or made. */
export async function wakeKept(tx: Tx, at: Date): Promise<void> {
  await sql`select wake(${goldenKind}, name, ${at}) from golden_images where phase <> 'unused'`.execute(tx);
}

/** Notes that the engine has this build of a public image: whoever brings up the home has put it there. */
export async function adoptGolden(
  db: Queryable,
  { name, digest }: { name: string; digest: string },
  at: Date,
): Promise<void> {
  const there = { digest, wanted: digest, build: digest, phase: 'ready', message: '', built_at: null };
  await db
    .insertInto('golden_images')
    .values({ name, asked: true, since: at, checked_at: at, ...there })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ ...there, checked_at: at })
        .where('golden_images.digest', 'is distinct from', digest),
    )
    .execute();
}

/** Lets these images go again once nothing has needed them for a week. */
export async function unaskGolden(tx: Tx, names: readonly string[], at: Date): Promise<void> {
  for (const name of names) {
    await tx.updateTable('golden_images').set({ asked: false }).where('name', '=', name).execute();
    await wake(tx, goldenKind, name, at);
  }
}

/** All images that were ever wanted, by name. */
export const goldenImages = (db: Queryable): Promise<GoldenRow[]> =>
  db.selectFrom('golden_images').selectAll().orderBy('name').execute();
