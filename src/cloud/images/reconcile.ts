/** Brings one image of a team's own to what is wanted: imported, or gone. */
import type { Clock } from '../../control/clock.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { type Imported, type Importer, type ImportLimits, Unimportable } from '../../engine/importer/port.ts';
import type { Log } from '../../log.ts';
import type { Store } from '../../store/store.ts';
import type { Named } from '../engine-name.ts';
import { isHeld } from './missing.ts';
import { customName, savedName } from './row.ts';

export const imageKind = 'image';

export interface ImageReconcilerOptions {
  store: Store;
  clock: Clock;
  log: Log;
  compute: Compute;
  importer: Importer;
  /** The most that an import may take; absent: `importLimits`. */
  limits?: ImportLimits;
}

/** 20 GiB, an hour. */
export const importLimits: ImportLimits = { maxBytes: 20 * 1024 ** 3, timeoutMs: 3_600_000 };

/** Imports at once: each takes the network, a disk and a processor for itself. */
const mostImports = 2;
/** How often an import looks whether its image was deleted meanwhile, ms. */
const lookMs = 2_000;

export function imageReconciler(options: ImageReconcilerOptions): Reconciler {
  const { store, clock, log, compute, importer, limits = importLimits } = options;
  const rowOf = (id: number) =>
    store.db.selectFrom('images').selectAll().where('id', '=', id).executeTakeFirst();

  async function reconcile(idText: string, run: Run): Promise<Outcome | void> {
    const id = Number(idText);
    const row = await rowOf(id);
    if (!row) return { forget: true };
    if (row.deleted_at) return remove(row);
    if (row.status === 'available') return look(row);
    if (row.type !== 'custom' || row.url === null) return undefined;
    if (row.status !== 'NEW' && row.status !== 'pending') return undefined;
    run.slow();
    try {
      await setStatus(id, { status: 'pending' });
      const imported = await importUnlessDeleted(row, row.url, run.signal);
      if (imported === undefined) return remove(row);
      await setStatus(id, {
        status: 'available',
        bytes: imported.bytes,
        min_disk_gib: imported.minDiskGib,
      });
    } catch (error) {
      const reason = run.signal.aborted ? undefined : finalReason(error, run);
      if (reason === undefined) throw error;
      log.warn({ image: id, error: (error as Error).message }, 'an image cannot be imported');
      await setStatus(id, { status: 'error', error_message: reason });
    }
    // Deleted just now: the wake of that has seen to another run.
    return undefined;
  }

  /** Writes down whether the engine still has an image, or has it again. */
  async function look(row: Named & { type: string; missing_at: Date | null }): Promise<void> {
    const held = await isHeld(compute, row);
    if (held === (row.missing_at === null)) return;
    await store.db
      .updateTable('images')
      .set({ missing_at: held ? null : clock.now() })
      .where('id', '=', row.id)
      .execute();
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
    await store.db
      .updateTable('images')
      .set(changes)
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .where('status', 'in', ['NEW', 'pending'])
      .execute();
  }

  /** Removes what the engine has of a deleted image. Droplets made from it have a disk of their own. */
  async function remove({ id, nonce, type }: Named & { type: string }): Promise<Outcome> {
    if (type === 'custom') await compute.deleteImage(customName({ id, nonce }));
    else await compute.deleteSaved(savedName({ id, nonce }));
    await store.db
      .updateTable('images')
      .set({ gone_at: clock.now() })
      .where('id', '=', id)
      .where('gone_at', 'is', null)
      .execute();
    return { forget: true };
  }

  return { kind: imageKind, lane: 'quick', mostSlow: mostImports, reconcile };
}

const whyNot = {
  exhausted: 'The host has no room for this image. Delete what is not needed, then import it again.',
  rejected: 'The engine refused this image. The operator finds the reason in: ./atoll logs',
};

/** Why another try cannot help, for a person; undefined where it may. */
const finalReason = (error: unknown, run: Run): string | undefined =>
  error instanceof Unimportable ? error.message : hopeless(error, run, whyNot);
