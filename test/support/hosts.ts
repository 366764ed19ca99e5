/** What the host of a simulated world has, and what is reserved of it, in tests. */
import { expect } from 'vitest';
import type { HostRule } from '../../src/cloud/context.ts';
import { type HostState, hostStates } from '../../src/cloud/hosts/index.ts';
import type { TestAtoll } from './atoll.ts';
import { simulatedContext } from './simulated-context.ts';
import { until } from './until.ts';

const gib = 2 ** 30;
const disk = (gibs: number, free = gibs) => ({ bytes: gibs * gib, freeBytes: free * gib });

export interface Has {
  /** For droplets: what the machine has is a gigabyte more. */
  memoryMib?: number;
  poolGib?: number;
  poolFreeGib?: number;
  volumesGib?: number;
  rule?: HostRule;
}

/** What droplets of `order` take. */
export const droplets = (n: number) => ({
  things: n,
  vcpus: n,
  dedicated_mib: 0,
  shared_mib: n * 1024,
  disk_gib: n * 25,
  volume_gib: 0,
});
export const nothing = droplets(0);

/** The host of one Atoll, that `atoll` answers once it has been started. */
export function hostOf(atoll: () => TestAtoll) {
  const context = (rule?: HostRule) => ({ ...simulatedContext, hostRule: { keptMemoryMib: 1024, ...rule } });
  const box = async (): Promise<HostState> => {
    const [state] = await hostStates(atoll().database.store.db);
    if (!state) throw new Error('there is no host');
    return state;
  };
  const promised = async () => {
    const { things, vcpus, dedicated_mib, shared_mib, disk_gib, volume_gib } = await box();
    return { things, vcpus, dedicated_mib, shared_mib, disk_gib, volume_gib };
  };
  return {
    box,
    promised,
    /** From now on the host has so much; what is absent has no limit. */
    async has({ memoryMib, poolGib, poolFreeGib, volumesGib, rule }: Has): Promise<void> {
      atoll().world.capacity = {
        name: 'box',
        ...(memoryMib && { memoryMib: memoryMib + 1024 }),
        ...(poolGib && { pool: disk(poolGib, poolFreeGib) }),
      };
      atoll().host.setCapacity(volumesGib ? { volumes: disk(volumesGib) } : {});
      await atoll().restart({ context: context(rule) });
    },
    /** Deletes all that a team has. Nothing is reserved then. */
    async empty(api = atoll().api): Promise<void> {
      const { droplets: left } = await api.expect(200, 'GET', '/v2/droplets?per_page=200');
      for (const { id } of left) await api.expect(204, 'DELETE', `/v2/droplets/${id}`);
      const { volumes } = await api.expect(200, 'GET', '/v2/volumes?per_page=200');
      for (const { id } of volumes)
        await until(async () => (await api.call('DELETE', `/v2/volumes/${id}`)).status === 204);
      await until(async () => (await promised()).things === 0);
      expect(await promised()).toEqual(nothing);
    },
  };
}
