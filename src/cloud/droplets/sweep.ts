/** What droplets have in the engines: machines, and entries on the host. */
import { type Found, type Inventory, pageSize, pages, type Resource, stateOf } from '../../control/sweep.ts';
import type { InstanceState } from '../../engine/compute/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';
import { dropletKind, dropletUrn } from '../droplet-state/index.ts';
import { isMachineId } from '../guest-ids.ts';
import { machineKind, twinsInQuarantine } from './quarantined.ts';
import { instanceName } from './row.ts';
import type { DropletEngines } from './steps.ts';

export interface DropletInventoryDeps extends Pick<DropletEngines, 'compute' | 'host'> {
  store: Store;
}

export const hostEntryKind = 'host entry';

/** The id of the droplet that an URN names; undefined where it names something else. */
export const dropletIdOf = (urn: string): number | undefined => {
  const id = /^do:droplet:(\d{1,15})$/.exec(urn)?.[1];
  return id === undefined ? undefined : Number(id);
};

interface Machine extends Found {
  state: InstanceState;
}

/** Machines, and the droplets whose machine or host entry is not as the row says. */
export function machineInventory({ store, compute, host }: DropletInventoryDeps): Inventory<Machine> {
  async function* outOfStep(found: readonly Machine[]): AsyncGenerator<Resource> {
    const states = new Map(found.map(({ name, state }) => [name, state]));
    const entries = new Set(await host.list());
    const alive = pages((after: number | undefined) =>
      store.db
        .selectFrom('droplets')
        .select(['id', 'nonce', 'status', 'root_done', 'deleted_at'])
        .where('gone_at', 'is', null)
        .where('id', '>', after ?? 0)
        .orderBy('id')
        .limit(pageSize)
        .execute(),
    );
    for await (const row of alive) {
      const state = states.get(instanceName(row));
      const expected = row.status === 'active' ? state === 'running' : state !== 'running';
      if (expected && (entries.has(row.id) || row.root_done === 0) && !row.deleted_at) continue;
      yield { kind: dropletKind, id: String(row.id) };
    }
  }

  return {
    kind: machineKind,
    found: async () =>
      (await compute.list())
        .filter(({ urn }) => dropletIdOf(urn) !== undefined)
        .map(({ urn, name, state }) => ({ urn, name, state, remove: () => compute.delete(name) })),
    async rows(found) {
      const ids = found.map(({ urn }) => dropletIdOf(urn) ?? 0);
      // By name: the machine of another droplet that once had the same id is not this one's.
      return new Map((await dropletsOf(store, ids)).map((row) => [instanceName(row), stateOf(row)]));
    },
    outOfStep,
  };
}

/** What the host holds for droplets: their metadata, their neighbour entries. */
export function hostEntryInventory({ store, host }: DropletInventoryDeps): Inventory {
  return {
    kind: hostEntryKind,
    found: async () =>
      (await host.list())
        .filter((id) => !isMachineId(id))
        .map((id) => ({
          urn: dropletUrn(id),
          name: String(id),
          // The highest generation: it must win whatever the host has, and no later entry can come, as ids are never reused.
          remove: () => host.withdraw(id, Number.MAX_SAFE_INTEGER),
        })),
    async rows(found) {
      const rows = await dropletsOf(
        store,
        found.map(({ name }) => Number(name)),
      );
      const gone = rows.filter(({ gone_at }) => gone_at !== null).map(({ id }) => id);
      const twins = gone.length > 0 ? await twinsInQuarantine(store.db, gone) : new Set<number>();
      return new Map(rows.filter(({ id }) => !twins.has(id)).map((row) => [String(row.id), stateOf(row)]));
    },
  };
}

const dropletsOf = ({ db }: Store, ids: number[]) =>
  db.selectFrom('droplets').select(['id', 'nonce', 'gone_at']).where(anyOf('id', ids)).execute();
