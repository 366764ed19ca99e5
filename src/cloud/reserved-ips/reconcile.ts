/** Puts one reserved address in force on the host as it is wanted, or takes it out; then writes down that it is done. */
import { sql } from 'kysely';
import type { Clock } from '../../control/clock.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Outcome, Reconciler, Run } from '../../control/loop.ts';
import { EngineError } from '../../engine/errors.ts';
import type { Host } from '../../engine/host/port.ts';
import type { Log } from '../../log.ts';
import type { Store } from '../../store/store.ts';
import { reservedIpKind } from '../addresses/index.ts';
import { dropletKind, holdDroplets } from '../pending/index.ts';
import { type WantedAddress, wantedAddress } from './wanted.ts';

export interface ReservedIpEngines {
  store: Store;
  clock: Clock;
  log: Log;
  host: Pick<Host, 'publishAddress' | 'withdrawAddress' | 'addresses'>;
}

const refused =
  'The host could not do this, and the address is unassigned. The operator finds the reason in: ./atoll logs';
/** How often the row may change under one run. */
const rounds = 5;

export function reservedIpReconciler({ store, clock, log, host }: ReservedIpEngines): Reconciler {
  async function reconcile(ip: string, run: Run): Promise<Outcome | void> {
    for (let round = 0; round < rounds; round++) {
      const wanted = await wantedAddress(store.db, ip);
      if (!wanted) return { forget: true };
      if (wanted.released) {
        await host.withdrawAddress(ip, wanted.version);
        if (await remove(wanted)) return { forget: true };
        continue;
      }
      try {
        await host.publishAddress(
          { ip, ...(wanted.target !== null && { target: wanted.target }) },
          wanted.version,
        );
      } catch (error) {
        const reason = hopeless(error, run, { exhausted: refused, rejected: refused });
        if (!reason || wanted.pending_action_id === null) throw error;
        log.warn(
          { ip, error: (error as Error).message },
          'an address cannot be put in force, the action errs',
        );
        await giveUp(wanted, reason);
        continue;
      }
      if (await settle(wanted)) return;
    }
    throw new EngineError('busy', 'the reserved address did not settle');
  }

  /** The address is free for the next who reserves one. False where the row changed meanwhile. */
  async function remove({ ip, version }: WantedAddress): Promise<boolean> {
    const { numDeletedRows } = await store.db
      .deleteFrom('reserved_ips')
      .where('ip', '=', ip)
      .where('version', '=', version)
      .executeTakeFirst();
    return numDeletedRows > 0;
  }

  /** Ends the pending action. False where the row changed meanwhile. */
  async function settle(wanted: WantedAddress): Promise<boolean> {
    if (wanted.pending_action_id === null) return true;
    return endPending(wanted, { status: 'completed', message: null, unassign: false });
  }

  /** The pending action errs, and the address leads nowhere: a state that the client can see and mend. */
  async function giveUp(wanted: WantedAddress, message: string): Promise<void> {
    await endPending(wanted, { status: 'errored', message, unassign: true });
  }

  async function endPending(
    { ip, version, pending_action_id, droplet_id, team_id }: WantedAddress,
    end: { status: 'completed' | 'errored'; message: string | null; unassign: boolean },
  ): Promise<boolean> {
    const at = clock.now();
    return store.transaction(async (tx) => {
      // The droplet shows the address, and changes with it: it is locked first, as by everybody.
      await holdDroplets(tx, { teamId: team_id }, [droplet_id]);
      const { rows } = await sql`
        with changed as (
          update reserved_ips set pending_action_id = null,
            droplet_id = case when ${end.unassign} then null else droplet_id end
          where ip = ${ip} and version = ${version} returning ip
        ), ended as (
          update actions set status = ${end.status}, completed_at = ${at}, message = ${end.message}
          where id = ${pending_action_id} and status = 'in-progress' and exists (select from changed)
        )
        select case when ${end.unassign && droplet_id !== null}
          then wake(${dropletKind}, ${String(droplet_id)}, ${at}) end from changed`.execute(tx);
      return rows.length > 0;
    });
  }

  return { kind: reservedIpKind, lane: 'quick', reconcile };
}
