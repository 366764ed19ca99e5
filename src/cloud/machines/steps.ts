/** The steps of a machine's plan, each idempotent, each through a port or in a transaction. */
import { sql } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import { EngineError } from '../../base/engine-error.ts';
import { nudgeIn } from '../../control/reconcile.ts';
import type { Run } from '../../control/run.ts';
import type { Compute, DiskSource } from '../../engine/compute/port.ts';
import type { Host } from '../../engine/node/port.ts';
import { storableJson } from '../../store/storable.ts';
import type { Store } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import { goldenSource } from '../golden/index.ts';
import type { MachineRoles } from '../machine-role.ts';
import { madeOf } from '../made-of.ts';
import { machineEntry, machineSpec } from './desired.ts';
import { type Observed, type Step, steadyMs } from './plan.ts';
import { type MachineRow, machineName, machineSize } from './row.ts';
import { openDesired, openFiles, type SealedParts } from './sealed.ts';

export interface MachineStepDeps extends SealedParts {
  store: Store;
  clock: Clock;
  compute: Compute;
  host: Host;
  context: CloudContext;
  machineRoles: MachineRoles;
}

/** What a step needs beside the row. */
export interface MachineImage {
  source: DiskSource;
  digest: string;
}

/** How long a system may take to shut down before the plug is pulled, ms. */
const shutdownMs = 30_000;

/** Takes one step. Throws EngineError; what it says goes to the log and never to a client. */
export async function takeStep(
  deps: MachineStepDeps,
  step: Step,
  row: MachineRow,
  image: MachineImage | undefined,
  { instance }: Observed,
  run: Pick<Run, 'slow'>,
): Promise<void> {
  const { compute, host, store, clock } = deps;
  const name = machineName(row);
  switch (step.do) {
    case 'publish': {
      const entry = machineEntry(row);
      if (entry) await host.publish(entry, row.version);
      return;
    }
    case 'withdraw':
      return host.withdraw(row.id, row.version);
    case 'ensure-network':
      if (row.vpc_id !== null) await compute.ensureNetwork(row.vpc_id);
      return;
    case 'create':
      return create(deps, row, image);
    case 'note-made':
      await store.db
        .updateTable('machines')
        .set({ made_at: clock.now() })
        .where('id', '=', row.id)
        .where('made_at', 'is', null)
        .execute();
      return;
    case 'resize':
      return compute.resize(name, machineSize(row));
    case 'count-restart':
      return countRestart(deps, row);
    case 'mark-boot':
      return compute.setBoot(name, row.boot);
    case 'start':
      return compute.start(name);
    case 'stop':
      run.slow();
      return compute.stop(name, { force: false, timeoutMs: shutdownMs });
    case 'converge':
      run.slow();
      return converge(deps, row, instance?.run ?? null);
    case 'delete':
      return compute.delete(name);
  }
}

async function create(
  deps: MachineStepDeps,
  row: MachineRow,
  image: MachineImage | undefined,
): Promise<void> {
  if (!image) throw new EngineError('missing', `machine ${row.id}: its image has gone`);
  await deps.store.db
    .updateTable('machines')
    .set({ image_digest: image.digest })
    .where('id', '=', row.id)
    .execute();
  const files = openFiles(deps, row);
  const { source } = image;
  await madeOf(
    source,
    () => deps.compute.create(machineSpec(row, { source, files, network: deps.context.network })),
    () => newestSource(deps, row),
  );
}

async function newestSource(
  { store, machineRoles }: MachineStepDeps,
  { role }: MachineRow,
): Promise<DiskSource | undefined> {
  const found = await goldenSource(store.db, machineRoles[role]?.image ?? '');
  return 'source' in found ? found.source : undefined;
}

/** It has stopped by itself: it boots anew, and its program is run again. */
async function countRestart({ store, clock }: MachineStepDeps, row: MachineRow): Promise<void> {
  const now = clock.now();
  const isSteady = row.restarted_at !== null && now.getTime() - row.restarted_at.getTime() > steadyMs;
  await store.db
    .updateTable('machines')
    .set({ boot: row.boot + 1, restarts: isSteady ? 1 : row.restarts + 1, restarted_at: now })
    .where('id', '=', row.id)
    .where('boot', '=', row.boot)
    .execute();
}

/**
 * Runs the role's program with what is desired, and writes down what it answers; the owner looks at it.
 * @param inRun of the machine, as seen before: where it boots meanwhile, the program is run again
 */
async function converge(deps: MachineStepDeps, row: MachineRow, inRun: string | null): Promise<void> {
  const { compute, store, clock } = deps;
  const role = deps.machineRoles[row.role];
  if (!role) throw new EngineError('rejected', `machine ${row.id}: this version knows no role ${row.role}`);
  const desired = openDesired(deps, row);
  const observed = await compute.runProgram(machineName(row), role.converge, desired as never);
  await store.transaction(async (tx) => {
    const { rows } = await sql`
      update machines set applied_generation = ${row.generation}, applied_boot = ${row.boot},
        applied_run = ${inRun}, observed = ${storableJson(observed)}::jsonb, reason = null
      where id = ${row.id} and applied_generation <= ${row.generation} and applied_boot <= ${row.boot}
      returning id`.execute(tx);
    if (rows.length > 0) await nudgeIn(tx, row.owner_kind, row.owner_id, clock.now());
  });
}
