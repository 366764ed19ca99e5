/**
 * What a control plane does before the first request and the first run of its loop: it makes sure that database and
 * engines are of one cloud, and that nothing new can be mistaken for what the engines hold.
 */

import { sleep } from './base/clock.ts';
import { EngineError } from './base/engine-error.ts';
import type { CloudContext } from './cloud/context.ts';
import { holdQuarantined, takeOverProducts } from './cloud/index.ts';
import { counted, type Marked, matchCloud } from './control/cloud-id.ts';
import { type Inventory, quarantine, type SweepDeps } from './control/sweep.ts';
import type { Compute } from './engine/compute/port.ts';
import type { Host } from './engine/node/port.ts';
import { forgetForeignEvents } from './store/events.ts';
import type { Secrets } from './store/secrets.ts';

export interface TakeOverDeps extends SweepDeps {
  secrets: Secrets;
  compute: Compute;
  host: Host;
  inventories: readonly Inventory[];
  context: CloudContext;
  /** Takes the database for the right one, whatever the engines say. */
  acceptDatabase: boolean;
}

/** How long to wait before an engine that does not answer is asked again, ms. */
const pauseMs = 2_000;

/**
 * Waits for engines that do not answer; ends early, without having done anything, when the control plane ends.
 * @throws ForeignEngines
 */
export async function takeOver(deps: TakeOverDeps): Promise<void> {
  await whenAnswering(() => once(deps), deps);
}

/** What `work` answers once no engine error is in its way; undefined where `signal` aborts before. */
export async function whenAnswering<T>(
  work: () => Promise<T>,
  { clock, log, signal }: Pick<SweepDeps, 'clock' | 'log' | 'signal'>,
): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      log.warn({ error: error.message }, 'waiting for an engine: the API opens once it has answered');
      await sleep(clock, pauseMs, signal);
    }
  }
  return undefined;
}

async function once(deps: TakeOverDeps): Promise<void> {
  const { store, compute, host, clock, log } = deps;
  await matchCloud({ db: store.db, clock, log }, markedEngines(compute, host), deps.acceptDatabase);
  await forgetForeignEvents(store.db);
  await compute.renew();
  await takeOverProducts(deps);
  for (const inventory of deps.inventories)
    await quarantine(deps, inventory).catch((error: Error) => {
      if (!inventory.unmistakable || !(error instanceof EngineError)) throw error;
      // As while the disk with the volumes is away: droplets are served all the same, and the sweep looks again.
      log.warn({ kind: inventory.kind, error: error.message }, 'what there is of it is looked for later');
    });
  await holdQuarantined(deps);
}

/** The engines that bear the cloud id, with what they hold. */
function markedEngines(compute: Compute, host: Host): Marked[] {
  return [
    {
      name: 'machines',
      mark: () => compute.mark(),
      setMark: (mark) => compute.setMark(mark),
      async holds() {
        const [machines, snapshots, images] = await Promise.all([
          compute.list(),
          compute.listSnapshots(),
          compute.images(),
        ]);
        return counted([
          ['machine', machines.length],
          ['kept disk', snapshots.length],
          ['imported image', images.filter((name) => name.startsWith('custom-')).length],
        ]);
      },
    },
    {
      name: 'host',
      mark: () => host.mark(),
      setMark: (mark) => host.setMark(mark),
      async holds() {
        const [entries, { volumes, snapshots }, addresses] = await Promise.all([
          host.list(),
          host.volumes(),
          host.addresses(),
        ]);
        return counted([
          ['host entry', entries.length],
          ['volume', volumes.length],
          ['volume snapshot', snapshots.length],
          ['reserved address', addresses.length],
        ]);
      },
    },
  ];
}
