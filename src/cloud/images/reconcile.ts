/** Brings one image of a team's own to what is wanted: imported, or gone. */
import type { Updateable } from 'kysely';
import { type ConvergeDeps, converge } from '../../control/converge.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { type Imported, type Importer, type ImportLimits, Unimportable } from '../../engine/importer/port.ts';
import { recordEvent } from '../../store/events.ts';
import type { Images } from '../../store/schema.ts';
import type { Store } from '../../store/store.ts';
import type { Named } from '../engine-name.ts';
import { isHeld } from './missing.ts';
import { type ImageEnd, type ImageRow, type ImageStep, type ObservedImage, planImage } from './plan.ts';
import { customName, imageUrn, snapshotName } from './row.ts';

export const imageKind = 'image';

export interface ImageReconcilerOptions extends ConvergeDeps {
  store: Store;
  compute: Compute;
  importer: Importer;
  /** The most that an import may take; absent: `importLimits`. */
  importLimits?: ImportLimits;
}

/** 20 GiB, an hour. */
export const importLimits: ImportLimits = { maxBytes: 20 * 1024 ** 3, timeoutMs: 3_600_000 };

/** Imports at once: each takes the network, a disk and a processor for itself. */
const mostImports = 2;
/** How often an import looks whether its image was deleted meanwhile, ms. */
const lookMs = 2_000;

export function imageReconciler(deps: ImageReconcilerOptions): Reconciler {
  const { store, clock, log, compute, importer, importLimits: limits = importLimits } = deps;
  const rowOf = (id: number): Promise<ImageRow | undefined> =>
    store.db
      .selectFrom('images')
      .selectAll()
      .where('id', '=', id)
      .where('gone_at', 'is', null)
      .executeTakeFirst();

  async function take(step: ImageStep, row: ImageRow, run: Run): Promise<ObservedImage | void> {
    if (step.do === 'delete') {
      // Droplets made from it have a disk of their own.
      if (row.type === 'custom') await compute.deleteImage(customName(row));
      else await compute.deleteSnapshot(snapshotName(row));
      return { deleted: true };
    }
    run.slow();
    await setStatus(row.id, { status: 'pending' });
    const imported = await importUnlessDeleted(row, step.url, run.signal);
    return imported && { imported };
  }

  async function settle(row: ImageRow, end: ImageEnd, { imported }: ObservedImage): Promise<Outcome | void> {
    switch (end) {
      case 'held':
      case 'missing':
        return noteHeld(row, end === 'held');
      case 'imported':
        return (
          imported &&
          setStatus(row.id, {
            status: 'available',
            bytes: imported.bytes,
            min_disk_gib: imported.minDiskGib,
          })
        );
      case 'not ours':
        return;
      case 'gone':
        await store.db
          .updateTable('images')
          .set({ gone_at: clock.now() })
          .where('id', '=', row.id)
          .where('gone_at', 'is', null)
          .execute();
        return { forget: true };
    }
  }

  /** Writes down whether the engine still has an image, or has it again. */
  async function noteHeld(row: ImageRow, held: boolean): Promise<void> {
    if (held === (row.missing_at === null)) return;
    await change(row.id, { missing_at: held ? null : clock.now() });
    if (held) log.info({ image: row.id }, 'the bytes of an image are back');
    else log.error({ image: row.id }, 'the bytes of an image are missing');
  }

  /** The import; ended early, with undefined, where the image is deleted meanwhile. */
  async function importUnlessDeleted(
    image: Named,
    url: string,
    signal: AbortSignal,
  ): Promise<Imported | undefined> {
    const deleted = new AbortController();
    let cancel = () => {};
    const look = () => {
      cancel = clock.after(lookMs, () => {
        rowOf(image.id).then(
          (row) => (row?.deleted_at ? deleted.abort() : look()),
          () => look(),
        );
      });
    };
    look();
    try {
      return await importer.import(url, {
        name: customName(image),
        signal: AbortSignal.any([signal, deleted.signal]),
        limits,
      });
    } catch (error) {
      if (deleted.signal.aborted) return undefined;
      throw error;
    } finally {
      cancel();
    }
  }

  async function setStatus(
    id: number,
    changes: { status: string; error_message?: string; bytes?: number; min_disk_gib?: number },
  ): Promise<void> {
    await change(id, changes, { importing: true });
  }

  /** Changes what a team sees of its image, unless that is deleted or, where it was `importing`, is that no more. */
  async function change(
    id: number,
    changes: Updateable<Images>,
    { importing = false }: { importing?: boolean } = {},
  ): Promise<void> {
    await store.transaction(async (tx) => {
      const row = await tx
        .updateTable('images')
        .set(changes)
        .where('id', '=', id)
        .where('deleted_at', 'is', null)
        .$if(importing, (query) => query.where('status', 'in', ['NEW', 'pending']))
        .returning('team_id')
        .executeTakeFirst();
      if (!row) return;
      await recordEvent(tx, { at: clock.now(), teamId: row.team_id, urn: imageUrn(id), change: 'changed' });
    });
  }

  return converge<ImageRow, ObservedImage, ImageStep, ImageEnd>(deps, {
    kind: imageKind,
    lane: 'quick',
    mostSlow: mostImports,
    row: (id) => rowOf(Number(id)),
    observe: async (row) =>
      !row.deleted_at && row.status === 'available' ? { held: await isHeld(compute, row) } : {},
    plan: planImage,
    take: (step, row, _observed, run) => take(step, row, run),
    settle,
    why: finalReason,
    async giveUp(row, reason) {
      if (row.deleted_at || row.status === 'available') return false;
      await setStatus(row.id, { status: 'error', error_message: reason });
      return true;
    },
  });
}

const whyNot = {
  exhausted: 'The host has no room for this image. Delete what is not needed, then import it again.',
  rejected: 'The engine refused this image. The operator finds the reason in: ./atoll logs',
};

/** Why another try cannot help, for a person; undefined where it may. */
const finalReason = (error: unknown, run: Run): string | undefined =>
  error instanceof Unimportable ? error.message : hopeless(error, run, whyNot);
