/** Brings one droplet to what is wanted: observe, plan, take the steps, observe again; then write down what is. */
import { sql } from 'kysely';
import { EngineError } from '../../base/engine-error.ts';
import { endingAction } from '../../control/actions.ts';
import { type ConvergeDeps, changed, converge } from '../../control/converge.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Reconciler } from '../../control/loop.ts';
import { digest } from '../../engine/node/digest.ts';
import type { HostDroplet } from '../../engine/node/port.ts';
import { insertEndedEvents, insertEvents } from '../../store/events.ts';
import type { Queryable } from '../../store/store.ts';
import { releaseAddresses } from '../addresses/index.ts';
import { dropletKind, dropletUrn } from '../droplet-state/index.ts';
import { release, setReservation } from '../hosts/index.ts';
import { freeVolumes, settlingVolumes } from '../volumes/index.ts';
import { hostEntry } from './host-entry.ts';
import { type Desired, type End, type Observed, plan, type Step } from './plan.ts';
import { twinsInQuarantine } from './quarantined.ts';
import { type DropletRow, dropletRow, instanceName, machineSize, takenOfHost } from './row.ts';
import { type StepDeps, takeStep } from './steps.ts';
import { type Undo, undoAction } from './undo.ts';

export type DropletReconcilerOptions = StepDeps & ConvergeDeps;

const whyNot = {
  exhausted: 'The host has no room for this. Destroy what is not needed, then try again.',
  rejected:
    'The engine refused this. A volume that is in use must be unmounted inside of the Droplet first; for anything else the operator finds the reason in: ./atoll logs',
};

/** A droplet as it is wanted. */
interface Target {
  row: DropletRow;
  entry: HostDroplet;
  /** Its digest. */
  expected: string;
}

export function dropletReconciler(deps: DropletReconcilerOptions): Reconciler {
  const { compute, host, store, clock, context } = deps;

  async function targetOf(id: number): Promise<Target | undefined> {
    const row = await dropletRow(store.db, id);
    if (!row || row.gone_at) return undefined;
    const entry = hostEntry(row, context.network);
    return { row, entry, expected: digest(entry) };
  }

  /** `expected`: the digest of the row's entry. */
  async function observe(row: DropletRow, expected: string): Promise<Observed> {
    const [instance, published] = await Promise.all([compute.get(instanceName(row)), host.published(row.id)]);
    const anothers =
      published !== undefined &&
      published !== expected &&
      (await twinsInQuarantine(store.db, [row.id])).has(row.id);
    return anothers ? { instance, published: undefined, anothers } : { instance, published };
  }

  /** Throws for a size that the catalogue does not have any more: that is part of the plan, which can be given up. */
  function desiredOf({ row, expected }: Target): Desired {
    const acting = row.pending_action_id !== null;
    return {
      deleted: row.deleted_at !== null,
      power: row.power === 'on' ? 'on' : 'off',
      boot: row.boot,
      stop: row.stop === 'force' ? 'force' : 'graceful',
      acting,
      root: row.root,
      rootDone: row.root_done,
      replacing: acting && (row.undo as Undo | null)?.root !== undefined,
      size: machineSize(row),
      volumes: row.volume_ids,
      ipv6: row.public_ipv6 !== null,
      password: row.new_password !== null,
      snapshots: acting ? row.pending_snapshot_ids : [],
      entry: expected,
    };
  }

  /** Writes down what is. False where the row changed meanwhile. */
  async function settle(row: DropletRow, end: End, observed: Observed): Promise<boolean> {
    const at = clock.now();
    const gone = end === 'gone';
    const status = end === 'active' ? 'active' : 'off';
    const power = end === 'active' ? 'on' : 'off';
    const acting = row.pending_action_id !== null;
    // Also those that are deleted, which `volume_ids` leaves out: their bytes go only when no machine may have them.
    if (!acting && row.root_done === 0 && !observed.instance) await freeVolumes(store.db, row.id);
    if (!gone && !acting && row.status === status && row.power === power) return true;
    if (acting && typeof end === 'object')
      return store.transaction((tx) => undoAction(tx, row, observed, { message: end.failed, at }));
    const write = async (db: Queryable): Promise<boolean> => {
      const { rows } = await sql`
        with changed as (
          update droplets set status = ${status}, power = ${power}, pending_action_id = null, undo = null,
            root_done = greatest(root_done, ${observed.instance ? row.root : 0}::integer),
            gone_at = ${gone ? at : null}
          where id = ${row.id} and version = ${row.version} returning id
        ), ended as (
          ${endingAction(row.pending_action_id, { status: 'completed', at }, sql<boolean>`exists (select from changed)`)}
        ), settled as (
          ${settlingVolumes(row.pending_action_id, sql<boolean>`exists (select from changed)`)}
        ), recorded as (
          ${insertEndedEvents('ended')}
        ), told_besides as (
          ${insertEvents(sql`select ${at}::timestamptz, ${row.team_id}::uuid, ${dropletUrn(row.id)}, 'changed',
            ${row.pending_action_id}::bigint from changed
            where not ${gone} and not exists (select from ended where resource_type = 'droplet')`)}
        )
        select id from changed`.execute(db);
      return rows.length > 0;
    };
    const resized = acting && (row.undo as Undo | null)?.size !== undefined;
    if (!gone && !resized) return write(store.db);
    return store.transaction(async (tx) => {
      const written = await write(tx);
      if (!written) return false;
      if (gone) {
        await releaseAddresses(tx, dropletUrn(row.id), at);
        await release(tx, dropletUrn(row.id));
      } else await setReservation(tx, dropletUrn(row.id), takenOfHost(row));
      return true;
    });
  }

  /** The pending action errs, and what it changed is put back. */
  async function giveUp({ row, expected }: Target, message: string): Promise<boolean> {
    if (row.pending_action_id === null || row.deleted_at) return false;
    // A machine that could not be made is deleted: what it printed is kept for `atoll logs --droplet`.
    const printed = await compute.console(instanceName(row)).catch(() => null);
    const end = { message, at: clock.now(), console: printed };
    // A step that failed may have had its effect all the same: what it left decides what is put back.
    const left = await observe(row, expected).catch(() => undefined);
    await store.transaction((tx) => undoAction(tx, row, left, end));
    return true;
  }

  return converge<Target, Observed, Step, End>(deps, {
    kind: dropletKind,
    lane: 'quick',
    row: (id) => targetOf(Number(id)),
    observe: ({ row, expected }) => observe(row, expected),
    plan: (target, observed) => plan(desiredOf(target), observed),
    async take(step, { row, entry }, observed, run) {
      if (step.do === 'publish' && observed.anothers)
        throw new EngineError('rejected', 'the entry of its id is that of a machine in quarantine');
      await takeStep(deps, step, row, entry, run);
    },
    async settle({ row }, end, observed) {
      if (!(await settle(row, end, observed))) return changed;
      return end === 'gone' ? { forget: true } : undefined;
    },
    why: (error, run) => hopeless(error, run, whyNot),
    giveUp,
  });
}
