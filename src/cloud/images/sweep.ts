/** Finds kept disks and imported images without an owner, and images that are not what they should be. */
import { wake } from '../../control/reconcile.ts';
import { noteMissingImages } from './missing.ts';
import { type ImageReconcilerOptions, imageKind } from './reconcile.ts';
import { customName, imageUrn } from './row.ts';

/** What a sweep did: how many images it woke, and how many orphans it removed. */
export interface Swept {
  woken: number;
  orphans: number;
}

export type ImageSweepDeps = Pick<ImageReconcilerOptions, 'store' | 'clock' | 'log' | 'compute'>;

/**
 * Compares the engine's kept disks and imported images with the database once. What has no row is deleted; a row
 * that is deleted and not gone, or still to be imported, is woken. The engine is asked first: what is made meanwhile
 * has its row already and cannot look like an orphan.
 */
export async function sweepImages({ store, clock, log, compute }: ImageSweepDeps): Promise<Swept> {
  const [saved, imported] = await Promise.all([compute.listSaved(), compute.images()]);
  const rows = await store.db
    .selectFrom('images')
    .select(['id', 'type', 'status', 'deleted_at'])
    .where('gone_at', 'is', null)
    .execute();
  await noteMissingImages({ store, clock, log, compute }, { saved: saved.map(({ urn }) => urn), imported });
  const swept: Swept = { woken: 0, orphans: 0 };
  const urns = new Set(rows.map(({ id }) => imageUrn(id)));
  for (const { urn, name } of saved) {
    if (urns.has(urn)) continue;
    log.warn({ urn, name }, 'a kept disk without an image is deleted');
    await compute.deleteSaved(name);
    swept.orphans++;
  }
  const names = new Set(rows.map(({ id }) => customName(id)));
  for (const name of imported) {
    if (!ours.test(name) || names.has(name)) continue;
    log.warn({ name }, 'an imported image without an owner is deleted');
    await compute.deleteImage(name);
    swept.orphans++;
  }
  for (const { id, type, status, deleted_at } of rows) {
    const importing = type === 'custom' && (status === 'NEW' || status === 'pending');
    if (!deleted_at && !importing) continue;
    await wake(store.db, imageKind, String(id), clock.now());
    swept.woken++;
  }
  return swept;
}

const ours = new RegExp(`^${customName('\\d+')}$`);
