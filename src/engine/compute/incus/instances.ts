import { EngineError } from '../../errors.ts';
import type { Instance, InstanceState } from '../port.ts';
import type { IncusClient } from './client.ts';
import { bootKey, portName, urnKey } from './spec.ts';

/** What Incus tells about an instance, as far as it matters here. */
export interface IncusInstance {
  name: string;
  status: string;
  config: Record<string, string>;
}

/** The URL of an instance. */
export function instancePath(name: string): string {
  return `/1.0/instances/${encodeURIComponent(name)}`;
}

const powerKey = 'volatile.last_state.power';

/**
 * Whether an instance has never run. Incus sets the power state in the hook that precedes init, so this holds
 * for one that is still being made, or was left half-made by a create that failed or died.
 */
export function isUnborn({ status, config }: IncusInstance): boolean {
  return status === 'Stopped' && config[powerKey] === undefined;
}

/** Whether an instance shows as stopped though Incus has not recorded that it stopped. */
function isDoubtful({ status, config }: IncusInstance): boolean {
  return status === 'Stopped' && config[powerKey] !== 'STOPPED';
}

/**
 * Instances in the eyes of the port. The ones without URN are somebody else's and left out.
 *
 * Incus shows an instance as `Stopped` from the first moment of its creation until its init runs, and a change
 * of its config at that time spoils it (the root volume cannot be made any more). So a doubtful one is
 * `transitional` while an operation works on it.
 */
export async function portInstances(client: IncusClient, instances: IncusInstance[]): Promise<Instance[]> {
  const ours = instances.filter(({ config }) => config[urnKey]);
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

function portInstance({ name, config }: IncusInstance, state: InstanceState): Instance {
  return { urn: config[urnKey] ?? '', name: portName(name), state, boot: Number(config[bootKey] ?? 0) };
}

function stateOf({ status }: IncusInstance): InstanceState {
  if (status === 'Running' || status === 'Frozen') return 'running';
  return status === 'Stopped' ? 'stopped' : 'transitional';
}

interface IncusOperation {
  status_code: number;
  resources: Record<string, string[]> | null;
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

/** Throws `failed` where a machine that was started successfully has stopped at once: its init could not live. */
export async function checkAlive(client: IncusClient, name: string): Promise<void> {
  const instance = await client.find<IncusInstance>(instancePath(name));
  if (instance?.status === 'Stopped')
    throw new EngineError('failed', `incus: ${name} started and stopped at once: its init did not live`);
}
