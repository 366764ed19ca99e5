/** Volumes and snapshots whose bytes were made once and are not there any more: how that is recorded and reported. */

import { sql } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import type { EngineError } from '../../base/engine-error.ts';
import type { Log } from '../../base/log.ts';
import { wake } from '../../control/reconcile.ts';
import { unprocessable } from '../../http/errors.ts';
import { recordEvent } from '../../store/events.ts';
import type { Queryable, Store } from '../../store/store.ts';
import type { MissingBytes } from '../product.ts';
import { volumeKind, volumeSnapshotKind } from './kinds.ts';
import { volumeUrn } from './row.ts';
import { volumeSnapshotUrn } from './snapshot-row.ts';

/** How soon missing bytes are looked for again, ms: whoever brings them back has nothing else to do. */
export const lookAgainMs = 15_000;

export interface MissingDeps {
  store: Pick<Store, 'db' | 'transaction'>;
  clock: Clock;
  log: Log;
}

/** Writes down, and to the log, that the bytes of a volume are missing; its own reconciler looks until they are back. */
export async function volumeIsMissing(
  { store, clock, log }: MissingDeps,
  id: string,
  error: EngineError,
): Promise<void> {
  const at = clock.now();
  await store.transaction(async (tx) => {
    const changed = await tx
      .updateTable('volumes')
      .set({ missing_at: at })
      .where('id', '=', id)
      .where('missing_at', 'is', null)
      .where('gone_at', 'is', null)
      .returning('team_id')
      .executeTakeFirst();
    if (!changed) return;
    log.error({ volume: id, error: error.message }, 'the bytes of a volume are missing');
    await recordEvent(tx, { at, teamId: changed.team_id, urn: volumeUrn(id), change: 'changed' });
    await wake(tx, volumeKind, id, at);
  });
}

/** The same for a snapshot of a volume. */
export async function snapshotIsMissing(
  { store, clock, log }: MissingDeps,
  id: string,
  error: EngineError,
): Promise<void> {
  const at = clock.now();
  await store.transaction(async (tx) => {
    const changed = await tx
      .updateTable('volume_snapshots')
      .set({ missing_at: at })
      .where('id', '=', id)
      .where('status', '=', 'available')
      .where('missing_at', 'is', null)
      .where('gone_at', 'is', null)
      .returning('team_id')
      .executeTakeFirst();
    if (!changed) return;
    log.error({ snapshot: id, error: error.message }, 'the bytes of a volume snapshot are missing');
    await recordEvent(tx, { at, teamId: changed.team_id, urn: volumeSnapshotUrn(id), change: 'changed' });
    await wake(tx, volumeSnapshotKind, id, at);
  });
}

/** What a client is told of something whose bytes are missing. `what`: `volume`. */
export const missingText = (what: string, since: Date): string =>
  `The bytes of this ${what} have been missing on its host since ${since.toISOString()}. It cannot be used until the ` +
  'operator has brought them back, which ./atoll doctor tells how to do; nothing was made in their place.';

/** @throws ApiError 422 where the bytes of a volume are missing */
export function checkBytes({ missing_at }: { missing_at: Date | null }): void {
  if (missing_at) throw unprocessable(missingText('volume', missing_at));
}

/** All volumes and snapshots whose bytes are missing, of all teams, the longest missing first; at most `most`. */
export async function missingVolumes(db: Queryable, most: number): Promise<MissingBytes[]> {
  const { rows } = await sql<MissingBytes>`
    select 'volume' as kind, id::text, name, missing_at as since from volumes
    where missing_at is not null and gone_at is null and deleted_at is null
    union all
    select 'volume snapshot', id::text, name, missing_at from volume_snapshots
    where missing_at is not null and gone_at is null and deleted_at is null
    order by since, id limit ${most}`.execute(db);
  return rows;
}
