/** Takes a droplet's backups when their windows open, and lets them go when their time is over. */
import { sql } from 'kysely';
import { type ConvergeDeps, converge } from '../../control/converge.ts';
import type { Reconciler } from '../../control/loop.ts';
import { recordEvent } from '../../store/events.ts';
import type { Queryable, Store } from '../../store/store.ts';
import { imagesOfDropletChanged, postponeBackup } from '../droplet-state/index.ts';
import { deleteImages, imageUrn } from '../images/index.ts';
import { tagsTaken } from '../tags/index.ts';
import { beginBackup } from './begin.ts';
import {
  type BackupEnd,
  type BackupRow,
  type BackupStep,
  backupColumns,
  type ObservedBackups,
  planBackups,
} from './plan.ts';
import { backupKind } from './schedule.ts';

/** The droplet of this id, deleted or not, with its backups. */
function look(db: Queryable, id: number): Promise<BackupRow | undefined> {
  return db
    .selectFrom('droplets')
    .select(backupColumns)
    .select(
      sql<
        BackupRow['backups']
      >`array(select json_build_object('id', images.id, 'at', images.created_at) from images
        where images.droplet_id = droplets.id and images.type = 'backup' and images.status = 'available'
          and images.deleted_at is null order by images.created_at)`.as('backups'),
    )
    .where('id', '=', id)
    .executeTakeFirst();
}

/** The reconciler of kind `backup`; the id is the droplet's. The droplet's own reconciler takes the snapshot of its disk. */
export function backupReconciler(deps: ConvergeDeps & { store: Store }): Reconciler {
  const { store, clock, log } = deps;

  async function take(step: BackupStep, row: BackupRow): Promise<ObservedBackups | void> {
    switch (step.do) {
      case 'delete':
        return expire(step.images, row);
      case 'skip':
        log.warn({ droplet: row.id, window: step.due }, 'a backup window has passed without a backup');
        return postponeBackup(store.db, row.id, step);
      case 'begin': {
        const begun = await beginBackup(store.db, row, { due: step.due, next: step.next, at: clock.now() });
        return { busy: !begun };
      }
    }
  }

  async function expire(images: number[], droplet: BackupRow): Promise<void> {
    await store.transaction(async (tx) => {
      const at = clock.now();
      // One may have been made a snapshot since it was read, and be another team's.
      const deleted = await deleteImages(tx, images, at, 'backup');
      for (const { id, team_id: teamId } of deleted)
        await recordEvent(tx, { at, teamId, urn: imageUrn(id), change: 'deleted' });
      if (deleted.length === 0) return;
      const besides = tagsTaken([...new Set(deleted.flatMap(({ tags }) => tags))]);
      for (const { urn } of [...besides, ...(await imagesOfDropletChanged(tx, droplet.id))])
        await recordEvent(tx, { at, teamId: droplet.team_id, urn, change: 'changed' });
    });
  }

  return converge<BackupRow, ObservedBackups, BackupStep, BackupEnd>(deps, {
    kind: backupKind,
    lane: 'quick',
    row: (id) => look(store.db, Number(id)),
    observe: async () => ({}),
    plan: planBackups,
    take,
    settle: async (_, end) => (end === 'never' ? { forget: true } : { again: end.at }),
  });
}
