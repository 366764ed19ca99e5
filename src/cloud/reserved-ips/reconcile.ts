/** Brings one reserved address on the host to its desired state, in force or not; then writes down that it is done. */
import { sql } from 'kysely';
import { endingAction } from '../../control/actions.ts';
import { type ConvergeDeps, changed, converge } from '../../control/converge.ts';
import { hopeless } from '../../control/hopeless.ts';
import type { Reconciler } from '../../control/loop.ts';
import type { Host } from '../../engine/node/port.ts';
import { insertEndedEvents, recordEvent } from '../../store/events.ts';
import type { Store } from '../../store/store.ts';
import { reservedIpKind } from '../addresses/index.ts';
import { dropletKind, dropletUrn, holdDroplets } from '../droplet-state/index.ts';
import { type DesiredAddress, desiredAddress } from './desired.ts';
import { type AddressEnd, type AddressStep, type ObservedAddress, planAddress } from './plan.ts';

export interface ReservedIpEngines extends ConvergeDeps {
  store: Store;
  host: Pick<Host, 'publishAddress' | 'withdrawAddress' | 'addresses'>;
}

const refused =
  'The host could not do this, and the address is unassigned. The operator finds the reason in: ./atoll logs';

export function reservedIpReconciler(deps: ReservedIpEngines): Reconciler {
  const { store, clock, host } = deps;

  /** The address is free for the next who reserves one. False where the row changed meanwhile. */
  async function remove({ ip, version }: DesiredAddress): Promise<boolean> {
    const { numDeletedRows } = await store.db
      .deleteFrom('reserved_ips')
      .where('ip', '=', ip)
      .where('version', '=', version)
      .executeTakeFirst();
    return numDeletedRows > 0;
  }

  async function endPending(
    { ip, version, pending_action_id, droplet_id, team_id }: DesiredAddress,
    { unassign, ...end }: { status: 'completed' | 'errored'; message?: string; unassign: boolean },
  ): Promise<boolean> {
    const at = clock.now();
    return store.transaction(async (tx) => {
      // The droplet shows the address, and changes with it: it is locked first, as by everybody.
      await holdDroplets(tx, { teamId: team_id }, [droplet_id]);
      const { rows } = await sql`
        with changed as (
          update reserved_ips set pending_action_id = null,
            droplet_id = case when ${unassign} then null else droplet_id end
          where ip = ${ip} and version = ${version} returning ip
        ), ended as (
          ${endingAction(pending_action_id, { ...end, at }, sql<boolean>`exists (select from changed)`)}
        ), recorded as (
          ${insertEndedEvents('ended')}
        )
        select case when ${unassign && droplet_id !== null}
          then wake(${dropletKind}, ${String(droplet_id)}, ${at}) end from changed`.execute(tx);
      // After that, since it is by the end of the statement that the droplet has changed with the address.
      if (rows.length > 0 && unassign && droplet_id !== null) {
        const droplet = { teamId: team_id, urn: dropletUrn(droplet_id), actionId: pending_action_id };
        await recordEvent(tx, { at, ...droplet, change: 'changed' });
      }
      return rows.length > 0;
    });
  }

  return converge<DesiredAddress, ObservedAddress, AddressStep, AddressEnd>(deps, {
    kind: reservedIpKind,
    lane: 'quick',
    row: (ip) => desiredAddress(store.db, ip),
    observe: async () => ({}),
    plan: planAddress,
    async take(step, { ip, target, version }) {
      if (step.do === 'withdraw') {
        await host.withdrawAddress(ip, version);
        return { withdrawn: version };
      }
      await host.publishAddress({ ip, ...(target !== null && { target }) }, version);
      return { published: version };
    },
    async settle(desired, end) {
      if (end === 'gone') return (await remove(desired)) ? { forget: true } : changed;
      if (desired.pending_action_id === null) return;
      const completed = { status: 'completed', unassign: false } as const;
      return (await endPending(desired, completed)) ? undefined : changed;
    },
    why: (error, run) => hopeless(error, run, { exhausted: refused, rejected: refused }),
    /** The address leads nowhere then: a state that the client can see and mend. */
    async giveUp(desired, message) {
      if (desired.released || desired.pending_action_id === null) return false;
      await endPending(desired, { status: 'errored', message, unassign: true });
      return true;
    },
  });
}
