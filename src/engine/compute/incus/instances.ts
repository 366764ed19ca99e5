import type { Instance, InstanceState, MachineSize } from '../port.ts';
import type { IncusClient } from './client.ts';
import { isNotFound, says } from './errors.ts';
import { bootKey, madeKey, portName, replacesKey, rootKey, urnKey, volumeIds } from './spec.ts';

/** What Incus tells about an instance, as far as it matters here. */
export interface IncusInstance {
  name: string;
  status: string;
  config: Record<string, string>;
  devices: Record<string, Record<string, string>>;
  architecture: string;
  description: string;
  ephemeral: boolean;
  created_at?: string;
  /** When it was last started. */
  last_used_at?: string;
}

/** The URL of an instance. */
export function instancePath(name: string): string {
  return `/1.0/instances/${encodeURIComponent(name)}`;
}

/** `RUNNING` from just before init begins until all is cleared up after its end. */
export const powerKey = 'volatile.last_state.power';

/**
 * Whether an instance has never run. Incus sets the power state in the hook that precedes init, so this holds
 * for one that is still being made, or was left half-made by a create that failed or died. One whose disk was
 * replaced has never run either, but is marked when it is complete.
 */
export function isUnborn({ status, config }: IncusInstance): boolean {
  return status === 'Stopped' && config[powerKey] === undefined && !config[madeKey];
}

/** Whether an instance shows as stopped though Incus has not recorded that it stopped. */
function isDoubtful({ status, config }: IncusInstance): boolean {
  return status === 'Stopped' && config[powerKey] !== 'STOPPED';
}

/** `instances` without those that are to replace one of the others; where that has gone, they stand for it. */
export function withoutReplacements(instances: IncusInstance[]): IncusInstance[] {
  const names = new Set(instances.map(({ name }) => name));
  return instances.filter(({ config }) => !names.has(config[replacesKey] ?? ''));
}

/**
 * Instances in the eyes of the port. The ones without URN are somebody else's, or disk snapshots, and left out.
 *
 * Incus shows an instance as `Stopped` from the first moment of its creation until its init runs, and a change
 * of its config at that time spoils it (the root volume cannot be made any more). So a doubtful one is
 * `transitional` while an operation works on it.
 */
export async function portInstances(client: IncusClient, instances: IncusInstance[]): Promise<Instance[]> {
  const ours = withoutReplacements(instances).filter(({ config }) => config[urnKey]);
  const underWay = ours.some(isDoubtful) ? await pathsUnderWay(client) : new Set<string>();
  const seen = await Promise.all(
    ours.map(async (instance) => {
      if (!isDoubtful(instance)) return portInstance(instance, stateOf(instance));
      if (underWay.has(instancePath(instance.name))) return portInstance(instance, 'transitional');
      // Its creation may have ended between the two questions.
      const now = await client.find<IncusInstance>(instancePath(instance.name));
      return now && portInstance(now, stateOf(now));
    }),
  );
  return seen.filter((instance) => instance !== undefined);
}

/** What tells a run of an instance from its earlier ones: when Incus started it, also where the guest asked for that. */
export const runOf = ({ last_used_at }: IncusInstance): string => last_used_at ?? '';

function portInstance(instance: IncusInstance, state: InstanceState): Instance {
  const { name, config, devices } = instance;
  return {
    urn: config[urnKey] ?? '',
    name: portName(name),
    state,
    boot: Number(config[bootKey] ?? 0),
    // Machines of the first version bear no mark: they have the disk they were made with.
    root: Number(config[rootKey] ?? 1),
    run: runOf(instance),
    size: sizeOf({ config, devices }),
    volumes: volumeIds(devices),
    ipv6: devices['eth0']?.['ipv6.address'] !== undefined,
  };
}

/** The size of an instance as Atoll writes it; 0 for what somebody else has written in another way. */
export function sizeOf({ config, devices }: Pick<IncusInstance, 'config' | 'devices'>): MachineSize {
  const amount = (text: string | undefined, unit: string) =>
    Number(new RegExp(`^(\\d+)${unit}$`).exec(text ?? '')?.[1] ?? 0);
  return {
    vcpus: amount(config['limits.cpu'], ''),
    memoryMib: amount(config['limits.memory'], 'MiB'),
    diskGib: amount(devices['root']?.['size'], 'GiB'),
  };
}

function stateOf({ status }: IncusInstance): InstanceState {
  if (status === 'Running' || status === 'Frozen') return 'running';
  return status === 'Stopped' ? 'stopped' : 'transitional';
}

interface IncusOperation {
  status_code: number;
  resources: Record<string, string[]> | null;
}

/** Whether an unfinished operation works on an instance. */
export async function isUnderWay(client: IncusClient, name: string): Promise<boolean> {
  return (await pathsUnderWay(client)).has(instancePath(name));
}

/**
 * Changes an instance. Incus makes the change, and then keeps a copy of its record in the pool; where there is no room
 * for that it says that the change failed, though it was made. It writes the copy again at the next start.
 */
export async function update(
  client: IncusClient,
  method: 'PATCH' | 'PUT',
  path: string,
  body: object,
): Promise<void> {
  try {
    await client.request(method, path, { body });
  } catch (error) {
    if (!says(error, /failed to write backup file/i)) throw error;
  }
}

/** Deletes an instance that does not run; one that is gone already is fine. */
export async function remove(client: IncusClient, name: string): Promise<void> {
  try {
    await client.request('DELETE', instancePath(name));
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** What changes of an instance with all that is not mentioned gone, as `PATCH` cannot do it. */
export async function rewrite(
  client: IncusClient,
  instance: IncusInstance,
  change: Partial<Pick<IncusInstance, 'config' | 'devices'>>,
): Promise<void> {
  const { architecture, config, description, devices, ephemeral } = instance;
  const body = { architecture, config, description, devices, ephemeral, profiles: [], ...change };
  await update(client, 'PUT', instancePath(instance.name), body);
}

/** The config that Incus keeps for itself, which a rewrite must leave as it is. */
export function ownConfig({ config }: IncusInstance): Record<string, string> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => /^(volatile|image)\./.test(key)));
}

/** The paths of the instances that unfinished operations work on. */
async function pathsUnderWay(client: IncusClient): Promise<Set<string>> {
  const byStatus = await client.request<Record<string, IncusOperation[]>>(
    'GET',
    '/1.0/operations?recursion=1',
  );
  const unfinished = Object.values(byStatus)
    .flat()
    .filter((operation) => operation.status_code < 200);
  return new Set(unfinished.flatMap(({ resources }) => resources?.instances ?? []));
}
