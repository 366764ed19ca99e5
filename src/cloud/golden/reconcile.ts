/** Brings one golden image to what is wanted: built, put into this home's engine and kept up to date, or gone. */
import { createHash } from 'node:crypto';
import type { Updateable } from 'kysely';
import { EngineError } from '../../base/engine-error.ts';
import { type ConvergeDeps, changed, converge } from '../../control/converge.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import { wakeWaiting } from '../../control/reconcile.ts';
import type { Build, Builder } from '../../engine/builder/port.ts';
import type { Compute, DiskAddition } from '../../engine/compute/port.ts';
import type { GoldenImages } from '../../store/schema.ts';
import type { Store } from '../../store/store.ts';
import { goldenName, goldenUrn, isPublicImage, parseGoldenName } from './names.ts';
import {
  checkMs,
  type GoldenEnd,
  type GoldenRow,
  type GoldenStep,
  isWanted,
  type ObservedGolden,
  planGolden,
  retryMs,
} from './plan.ts';
import { goldenKind, goldenRow, waitingText } from './row.ts';

export interface GoldenReconcilerOptions extends ConvergeDeps {
  store: Store;
  compute: Compute;
  builder: Builder;
  /** What this home adds to what machines are made of: its authority's certificate. */
  additions: readonly DiskAddition[];
}

const dayMs = 24 * 3_600_000;

export function goldenReconciler(deps: GoldenReconcilerOptions): Reconciler {
  const { store, clock, log, compute, builder, additions } = deps;
  const addedDigest = JSON.stringify(additions);

  /** What a build becomes in this home. Droplets' own images are as they were built. */
  function targetOf(name: string, build: Build | undefined): string | undefined {
    if (build?.state !== 'ready') return undefined;
    if (isPublicImage(name)) return build.digest;
    return createHash('sha256').update(build.digest).update(addedDigest).digest('hex').slice(0, 16);
  }

  /** The digests of what the engine has. An image in it bears none: it is what was put there last. */
  async function heldOf({ name, digest }: GoldenRow): Promise<string[]> {
    if (isPublicImage(name))
      return digest !== null && (await compute.images()).includes(name) ? [digest] : [];
    const copies = (await compute.listSnapshots()).map((copy) => parseGoldenName(copy.name));
    return copies.flatMap((copy) => (copy?.name === name ? [copy.digest] : []));
  }

  async function observe(row: GoldenRow): Promise<ObservedGolden> {
    const wanted = isWanted(row, clock.now());
    const [build, held] = await Promise.all([
      wanted ? builder.look(row.name) : Promise.resolve(undefined),
      heldOf(row),
    ]);
    return { build, target: targetOf(row.name, build), held };
  }

  async function take(
    step: GoldenStep,
    row: GoldenRow,
    { held }: ObservedGolden,
    run: Run,
  ): Promise<Partial<ObservedGolden> | void> {
    const { name } = row;
    switch (step.do) {
      case 'build': {
        await change(name, { phase: 'building', since: clock.now(), message: '' });
        const build = await builder.build(name, step.instead);
        return { build, target: targetOf(name, build) };
      }
      case 'note':
        // One that others have begun is ours from now on.
        return change(name, {
          phase: 'building',
          message: step.step,
          ...(row.phase !== 'building' && { since: clock.now() }),
        });
      case 'unpack':
        run.slow();
        await change(name, {
          phase: 'unpacking',
          since: clock.now(),
          message: '',
          wanted: step.digest,
          // What the engine has lost serves nobody.
          ...(row.digest !== null && !held.includes(row.digest) && { digest: null }),
        });
        return unpack(name, step);
      case 'check':
        run.slow();
        return check(name, step.build, run);
      case 'remove':
        return remove(name, step.digests);
    }
  }

  async function unpack(
    name: string,
    { build, digest }: GoldenStep & { do: 'unpack' },
  ): Promise<Partial<ObservedGolden> | void> {
    const { file, bytes } = build;
    const copy = { urn: goldenUrn(name), name: goldenName(name, digest) };
    if (!isPublicImage(name)) {
      await compute.unpackImage(copy, { file, bytes, additions });
      return;
    }
    await compute.importImage(name, file);
    // The first that is made of an image unpacks it into the pool, which takes seconds: that is not to be a droplet.
    await compute.unpackImage(copy, { file, bytes, additions: [] });
    await compute.deleteSnapshot(copy.name);
    return { held: [digest] };
  }

  /** A mirror that cannot be asked now is asked tomorrow: what was built serves meanwhile. */
  async function check(name: string, build: string, run: Run): Promise<void> {
    const now = clock.now();
    try {
      const updates = await builder.updates(name, run.signal);
      if (updates.length > 0)
        log.info({ image: name, updates }, 'the mirror has newer packages: it is built anew');
      await change(name, { checked_at: now, outdated: updates.length > 0 ? build : null });
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'failed') throw error;
      log.warn(
        { image: name, error: error.message },
        'whether there are newer packages is looked at tomorrow',
      );
      await change(name, { checked_at: new Date(now.getTime() - checkMs + dayMs) });
    }
  }

  async function remove(name: string, digests: readonly string[]): Promise<Partial<ObservedGolden> | void> {
    if (isPublicImage(name)) {
      await compute.deleteImage(name);
      return { held: [] };
    }
    for (const digest of digests) await compute.deleteSnapshot(goldenName(name, digest));
  }

  async function settle(row: GoldenRow, end: GoldenEnd): Promise<Outcome | typeof changed | void> {
    const at = clock.now();
    const { name } = row;
    if ('unused' in end) {
      const { numUpdatedRows } = await store.db
        .updateTable('golden_images')
        .set({ phase: 'unused', message: '', digest: null, wanted: null, build: null, bytes: null })
        .where('name', '=', name)
        .where('asked', '=', false)
        .where('used_at', 'is not distinct from', row.used_at)
        .executeTakeFirst();
      return numUpdatedRows > 0 ? undefined : changed;
    }
    if ('failedBefore' in end) return { again: end.again };
    if ('failed' in end) {
      log.warn({ image: name, reason: end.failed }, 'an image could not be built');
      await fail(row, end.failed, end.again);
      return { again: end.again };
    }
    const { build, digest, again } = end;
    const isNew = row.digest !== digest;
    if (isNew || row.phase !== 'ready' || row.tries > 0 || row.built_at === null)
      await tell(name, {
        phase: 'ready',
        message: '',
        digest,
        build: build.digest,
        built_at: build.builtAt,
        bytes: build.bytes,
        tries: 0,
        retry_at: null,
        outdated: null,
        ...(row.phase !== 'ready' && { since: at }),
        // It is as new as it can be had: the first look is in a week.
        ...(isNew && { checked_at: at }),
      });
    return { again };
  }

  const fail = ({ name, tries }: GoldenRow, message: string, retryAt: Date) =>
    tell(name, { phase: 'failed', message, since: clock.now(), tries: tries + 1, retry_at: retryAt });

  /** Writes down how it ended, for those who wait for it. */
  async function tell(name: string, changes: Updateable<GoldenImages>): Promise<void> {
    await store.transaction(async (tx) => {
      await tx.updateTable('golden_images').set(changes).where('name', '=', name).execute();
      await wakeWaiting(tx, waitingText(name, ''), clock.now());
    });
  }

  async function change(name: string, changes: Updateable<GoldenImages>): Promise<void> {
    await store.db.updateTable('golden_images').set(changes).where('name', '=', name).execute();
  }

  return converge<GoldenRow, ObservedGolden, GoldenStep, GoldenEnd>(deps, {
    kind: goldenKind,
    lane: 'quick',
    row: (name) => goldenRow(store.db, name),
    observe,
    plan: planGolden,
    take,
    settle,
    why: (error, run) =>
      error instanceof EngineError && error.kind === 'busy' && run.overdue(error)
        ? 'It was not built within half an hour. What it was busy with last: see ./atoll status and ./atoll logs'
        : hopeless(error, run, whyNot),
    async giveUp(row, reason) {
      if (!isWanted(row, clock.now())) return false;
      await fail(row, reason, new Date(clock.now().getTime() + retryMs(row.tries + 1)));
      return true;
    },
  });
}

const whyNot = {
  exhausted: 'The host has no room for it. Destroy what is not needed, or give the storage pool more room.',
  rejected: 'The engine refused it. The operator finds the reason in: ./atoll logs',
};
