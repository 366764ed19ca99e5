/** What machines that serve a product have in the engines: instances, and entries on the host. */
import { type Found, type Inventory, pageSize, pages, type Resource, stateOf } from '../../control/sweep.ts';
import type { Compute, InstanceState } from '../../engine/compute/port.ts';
import type { Host } from '../../engine/node/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';
import { isMachineId } from '../guest-ids.ts';
import { machineIdOf, machineKind, machineName, machineUrn } from './row.ts';

export interface MachineInventoryDeps {
  store: Store;
  compute: Pick<Compute, 'list' | 'delete'>;
  host: Pick<Host, 'list' | 'withdraw'>;
}

/** What they are called in quarantine; `machine` is a droplet's there. */
export const productMachineKind = "product's machine";
export const productEntryKind = "product's host entry";

interface Instance extends Found {
  state: InstanceState;
  run: string;
}

export function machineInventory({ store, compute, host }: MachineInventoryDeps): Inventory<Instance> {
  async function* outOfStep(found: readonly Instance[]): AsyncGenerator<Resource> {
    const states = new Map(found.map(({ name, state, run }) => [name, { state, run }]));
    const entries = new Set(await host.list());
    const here = pages((after: number | undefined) =>
      store.db
        .selectFrom('machines')
        .select([
          'id',
          'nonce',
          'status',
          'public_ipv4',
          'generation',
          'applied_generation',
          'applied_run',
          'deleted_at',
        ])
        .where('gone_at', 'is', null)
        .where('id', '>', after ?? 0)
        .orderBy('id')
        .limit(pageSize)
        .execute(),
    );
    for await (const row of here) {
      const seen = states.get(machineName(row));
      const isRunning = seen?.state === 'running';
      const isSettled = row.status === 'active' ? isRunning : !isRunning && row.status !== 'new';
      const isKnown = row.public_ipv4 === null || entries.has(row.id) || row.status === 'failed';
      const isTold =
        row.applied_generation === row.generation && (!isRunning || row.applied_run === seen.run);
      if (isSettled && isKnown && isTold && !row.deleted_at) continue;
      yield { kind: machineKind, id: String(row.id) };
    }
  }

  return {
    kind: productMachineKind,
    found: async () =>
      (await compute.list())
        .filter(({ urn }) => machineIdOf(urn) !== undefined)
        .map(({ urn, name, state, run }) => ({ urn, name, state, run, remove: () => compute.delete(name) })),
    async rows(found) {
      const ids = found.map(({ urn }) => machineIdOf(urn) ?? 0);
      return new Map((await machines(store, ids)).map((row) => [machineName(row), stateOf(row)]));
    },
    outOfStep,
  };
}

/** What the host holds for them. */
export function machineEntryInventory({ store, host }: MachineInventoryDeps): Inventory {
  return {
    kind: productEntryKind,
    found: async () =>
      (await host.list()).filter(isMachineId).map((id) => ({
        urn: machineUrn(id),
        name: String(id),
        // The highest generation: it must win whatever the host has, and no later entry can come, as ids are never reused.
        remove: () => host.withdraw(id, Number.MAX_SAFE_INTEGER),
      })),
    async rows(found) {
      const rows = await machines(
        store,
        found.map(({ name }) => Number(name)),
      );
      return new Map(rows.map((row) => [String(row.id), stateOf(row)]));
    },
  };
}

const machines = ({ db }: Pick<Store, 'db'>, ids: number[]) =>
  db.selectFrom('machines').select(['id', 'nonce', 'gone_at']).where(anyOf('id', ids)).execute();
