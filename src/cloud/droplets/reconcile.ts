/** Brings one droplet to what is wanted: observe, plan, take the steps, look again; then write down what is. */

import { sql } from 'kysely';
import type { Clock } from '../../control/clock.ts';
import type { Outcome, Reconciler } from '../../control/loop.ts';
import type { Compute, InstanceSpec } from '../../engine/compute/port.ts';
import { EngineError } from '../../engine/errors.ts';
import { digest } from '../../engine/host/digest.ts';
import type { Host, HostDroplet } from '../../engine/host/port.ts';
import type { Log } from '../../log.ts';
import type { Queryable, Store, Tx } from '../../store/store.ts';
import { releaseAddresses, splitRange } from '../addresses/index.ts';
import { engineImageFor, resolveImage } from '../images/index.ts';
import { findSize } from '../sizes/index.ts';
import type { DropletContext } from './context.ts';
import { hostEntry, macOf } from './host-entry.ts';
import { type Desired, type Plan, plan, type Step } from './plan.ts';
import { type DropletRow, dropletRows, dropletUrn, instanceName } from './row.ts';

export const dropletKind = 'droplet';

export interface DropletEngines {
  compute: Compute;
  host: Host;
}

export interface DropletReconcilerOptions extends DropletEngines {
  store: Store;
  clock: Clock;
  log: Log;
  context: DropletContext;
}

/** How long an operating system may take to shut down before the plug is pulled. */
const shutdownMs = 30_000;
/** An error of unknown kind is tried this often before the action errs. */
const tries = 5;
/** No droplet needs more rounds than this; a plan that does is wrong, and the loop must not spin on it. */
const rounds = 12;

export function dropletReconciler(options: DropletReconcilerOptions): Reconciler {
  const { compute, host, store, log } = options;
  const { network } = options.context;

  async function reconcile(
    id: string,
    run: { attempts: number; signal: AbortSignal },
  ): Promise<Outcome | void> {
    for (let round = 0; round < rounds && !run.signal.aborted; round++) {
      const [row] = await dropletRows(store.db, [Number(id)]);
      if (!row || row.gone_at) return { forget: true };
      const entry = hostEntry(row, network);
      const next = await decide(row, entry);
      if ('wait' in next) throw new EngineError('busy', next.wait);
      if ('steps' in next) {
        try {
          for (const step of next.steps) await take(step, row, entry);
        } catch (error) {
          const reason = hopeless(error, run.attempts);
          if (!reason || row.pending_action_id === null || row.deleted_at) throw error;
          log.warn(
            { droplet: row.id, error: (error as Error).message },
            'a step cannot be done, the action errs',
          );
          await endPending(row, reason);
        }
        continue;
      }
      const settled = await settle(row, next);
      if (settled) return row.deleted_at || next.settled === 'gone' ? { forget: true } : undefined;
    }
    throw new EngineError('busy', 'the droplet did not settle');
  }

  async function decide(row: DropletRow, entry: HostDroplet): Promise<Plan> {
    const [instance, published] = await Promise.all([
      compute.get(instanceName(row.id)),
      host.published(row.id),
    ]);
    return plan(desiredOf(row, entry), { instance, published });
  }

  async function take(step: Step, row: DropletRow, entry: HostDroplet): Promise<void> {
    const name = instanceName(row.id);
    switch (step.do) {
      case 'publish':
        return host.publish(entry, row.version);
      case 'withdraw':
        return host.withdraw(row.id, row.version);
      case 'ensure-network':
        return compute.ensureNetwork(row.vpc_id);
      case 'create':
        return compute.create(specOf(row));
      case 'start':
        return compute.start(name);
      case 'stop':
        return compute.stop(name, { force: step.mode === 'force', timeoutMs: shutdownMs });
      case 'mark-boot':
        return compute.setBoot(name, row.boot);
      case 'delete':
        return compute.delete(name);
    }
  }

  function specOf(row: DropletRow): InstanceSpec {
    const size = findSize(row.size);
    const image = resolveImage(row.image_id);
    if (!size || !image)
      throw new EngineError('rejected', `no size ${row.size} or no image ${row.image_id} here`);
    const engineImage = engineImageFor(image, options.context.imageHost);
    if ('error' in engineImage) throw new EngineError('rejected', engineImage.error);
    const outside = splitRange(network.ipv4);
    const outside6 = splitRange(network.ipv6);
    return {
      urn: dropletUrn(row.id),
      name: instanceName(row.id),
      image: engineImage.ok,
      vcpus: size.vcpus,
      memoryMib: size.memory,
      diskGib: size.disk,
      boot: row.boot,
      nics: [
        {
          network: 'public',
          mac: macOf(row.id, 0),
          ipv4: { address: row.public_ipv4, prefix: outside.prefix, gateway: outside.gateway },
          ...(row.public_ipv6 === null
            ? {}
            : { ipv6: { address: row.public_ipv6, prefix: outside6.prefix, gateway: outside6.gateway } }),
        },
        {
          network: row.vpc_id,
          mac: macOf(row.id, 1),
          ipv4: { address: row.private_ipv4, prefix: splitRange(row.vpc_range).prefix },
        },
      ],
    };
  }

  /** Writes down what is. False where the row changed meanwhile: what was decided may be out of date. */
  async function settle(row: DropletRow, next: Plan & { settled: string }): Promise<boolean> {
    const at = options.clock.now();
    const gone = next.settled === 'gone';
    const failed = 'failed' in next ? next.failed : null;
    const status = next.settled === 'active' ? 'active' : 'off';
    const power = next.settled === 'active' ? 'on' : 'off';
    if (!gone && row.pending_action_id === null && row.status === status && row.power === power) return true;
    const write = async (db: Queryable) => {
      const { rows } = await sql`
        with changed as (
          update droplets set status = ${status}, power = ${power}, pending_action_id = null,
            provisioned = provisioned or ${next.settled === 'active'}, gone_at = ${gone ? at : null}
          where id = ${row.id} and version = ${row.version} returning id
        ), ended as (
          update actions set status = ${failed === null ? 'completed' : 'errored'}, completed_at = ${at},
            message = ${failed}
          where id = ${row.pending_action_id} and status = 'in-progress' and exists (select from changed)
        )
        select id from changed`.execute(db);
      if (rows.length === 0) return false;
      if (gone) await releaseAddresses(db, row.id, at);
      return true;
    };
    // A single statement needs no transaction around it.
    return gone ? store.transaction(write) : write(store.db);
  }

  /** The pending action errs; what was wanted becomes what is at the next look. */
  async function endPending(row: DropletRow, message: string): Promise<void> {
    await store.transaction(async (tx: Tx) => {
      await sql`
        with changed as (
          update droplets set pending_action_id = null, status = case when provisioned then status else 'off' end
          where id = ${row.id} and pending_action_id = ${row.pending_action_id} returning id
        )
        update actions set status = 'errored', completed_at = ${options.clock.now()}, message = ${message}
        where id = ${row.pending_action_id} and status = 'in-progress' and exists (select from changed)`.execute(
        tx,
      );
    });
  }

  return { kind: dropletKind, reconcile };
}

function desiredOf(row: DropletRow, entry: HostDroplet): Desired {
  return {
    deleted: row.deleted_at !== null,
    power: row.power === 'on' ? 'on' : 'off',
    boot: row.boot,
    stop: row.stop === 'force' ? 'force' : 'graceful',
    acting: row.pending_action_id !== null,
    provisioned: row.provisioned,
    entry: digest(entry),
  };
}

/** Why trying again cannot help, for a person; undefined where it may. What the engine said stays in the log. */
function hopeless(error: unknown, attempts: number): string | undefined {
  const kind = error instanceof EngineError ? error.kind : 'failed';
  switch (kind) {
    case 'exhausted':
      return 'The host has no room for this Droplet. Destroy what is not needed or choose a smaller size, then try again.';
    case 'rejected':
      return 'The engine refused this. The operator finds the reason in: ./atoll logs';
    case 'failed':
      return attempts + 1 < tries
        ? undefined
        : 'This failed repeatedly. The operator finds the reason in: ./atoll logs';
    case 'unavailable':
    case 'busy':
      return undefined;
  }
}
