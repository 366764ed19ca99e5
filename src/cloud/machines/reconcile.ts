/** Brings one machine that serves a product to what that wants of it, and tells its owner of what is seen. */
import { type ConvergeDeps, changed, converge } from '../../control/converge.ts';
import { hopeless } from '../../control/hopeless.ts';
import { nudgeIn } from '../../control/reconcile.ts';
import type { Outcome, Reconciler } from '../../control/run.ts';
import { storableText } from '../../store/storable.ts';
import { releaseAddresses } from '../addresses/index.ts';
import { type GoldenSource, goldenPatienceMs, goldenSource, needGolden } from '../golden/index.ts';
import { release, setReservation } from '../hosts/index.ts';
import { desiredOf } from './desired.ts';
import { type Desired, type End, type Observed, plan, type Step } from './plan.ts';
import {
  type MachineRow,
  machineKind,
  machineName,
  machineRow,
  machineSize,
  machineUrn,
  roomFor,
} from './row.ts';
import { type MachineImage, type MachineStepDeps, takeStep } from './steps.ts';

export type MachineReconcilerDeps = MachineStepDeps & ConvergeDeps;

const whyNot = {
  exhausted: 'The host has no room for this machine. Destroy what is not needed, then try again.',
  rejected: 'The engine refused this machine. The operator finds the reason in: ./atoll logs',
};

const lost =
  'Its machine is gone from the engine: it was deleted outside of Atoll, and what was on its disk with it.';

/** A machine as it is wanted. */
interface Target {
  row: MachineRow;
  desired: Desired;
  image: MachineImage | undefined;
}

export function machineReconciler(deps: MachineReconcilerDeps): Reconciler {
  const { store, clock, compute, host } = deps;

  /** What its disk is to be copied from, as long as that is to be made. */
  async function imageOf(row: MachineRow): Promise<GoldenSource> {
    const role = deps.machineRoles[row.role];
    if (!role) return { failed: `This version of Atoll knows no machines that are ${row.role}.` };
    // What waits for it still needs it.
    await needGolden(store.db, role.image, clock.now());
    return goldenSource(store.db, role.image, clock.now());
  }

  async function target(id: string): Promise<Target | undefined> {
    const row = await machineRow(store.db, Number(id));
    if (!row || row.gone_at) return undefined;
    const isNew = row.made_at === null && row.deleted_at === null && row.status !== 'failed';
    const found = isNew ? await imageOf(row) : undefined;
    const image = found && 'source' in found ? found : undefined;
    return { row, image, desired: desiredOf(row, stateOf(found)) };
  }

  /** Of a resize both sizes are reserved, until it is of the one that it is to have. False where that changed meanwhile. */
  const giveBackRoom = (row: MachineRow): Promise<boolean> =>
    store.transaction(async (tx) => {
      const same = await tx
        .selectFrom('machines')
        .select('id')
        .where('id', '=', row.id)
        .where('version', '=', row.version)
        .forUpdate()
        .executeTakeFirst();
      if (same) await setReservation(tx, machineUrn(row.id), roomFor(machineSize(row)));
      return same !== undefined;
    });

  async function settle({ row }: Target, end: End): Promise<Outcome | typeof changed | void> {
    const at = clock.now();
    const gone = end === 'gone';
    const { status, reason } = shown(end, row);
    const again = typeof end === 'object' && 'restartAt' in end ? { again: end.restartAt } : undefined;
    const isSized = end === 'active' || end === 'off';
    if (isSized && !(await giveBackRoom(row))) return changed;
    if (!gone && row.status === status && row.reason === reason) return again;
    const isWritten = await store.transaction(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('machines')
        // Nobody needs its secrets any more.
        .set({ status, reason, ...(gone && { gone_at: at, files: null, desired: null }) })
        .where('id', '=', row.id)
        .where('version', '=', row.version)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      if (gone) {
        await releaseAddresses(tx, machineUrn(row.id), at);
        await release(tx, machineUrn(row.id));
      }
      await nudgeIn(tx, row.owner_kind, row.owner_id, at);
      return true;
    });
    if (!isWritten) return changed;
    return gone ? { forget: true } : again;
  }

  return converge<Target, Observed, Step, End>(deps, {
    kind: machineKind,
    lane: 'quick',
    row: target,
    async observe({ row }) {
      const [instance, published] = await Promise.all([
        compute.get(machineName(row)),
        host.published(row.id),
      ]);
      return { instance, published };
    },
    plan: ({ desired }, observed, now) => plan(desired, observed, now),
    take: (step, { row, image }, observed, run) => takeStep(deps, step, row, image, observed, run),
    settle,
    why: (error, run) => hopeless(error, run, whyNot),
    /** One that cannot be made is not tried again for ever: its owner decides. One that is there is. */
    async giveUp({ row }, reason) {
      if (row.deleted_at) return false;
      const isNew = row.made_at === null;
      // It prints what it likes.
      const printed = isNew ? await compute.console(machineName(row)).then(storableText, () => null) : null;
      await store.transaction(async (tx) => {
        await tx
          .updateTable('machines')
          .set({ reason, ...(isNew && { status: 'failed', console: printed }) })
          .where('id', '=', row.id)
          .execute();
        if (row.reason !== reason) await nudgeIn(tx, row.owner_kind, row.owner_id, clock.now());
      });
      return isNew;
    },
  });
}

/** The image, as far as the plan must know of it; of a machine that was made nothing. */
function stateOf(found: GoldenSource | undefined): Desired['image'] {
  if (!found || 'source' in found) return { ready: true };
  return 'waiting' in found ? { ...found, patienceMs: goldenPatienceMs } : found;
}

/** What an end is to whoever looks at the row. */
function shown(end: End, row: MachineRow): Pick<MachineRow, 'status' | 'reason'> {
  if (typeof end === 'string')
    return { status: end === 'gone' ? row.status : end, reason: end === 'lost' ? lost : null };
  if ('failed' in end) return { status: 'failed', reason: end.failed };
  const times = row.restarts === 0 ? '' : `, after ${row.restarts} times in a row`;
  return {
    status: 'off',
    reason: `It stopped by itself, and is started again at ${end.restartAt.toISOString()}${times}.`,
  };
}
