import { readFile } from 'node:fs/promises';
import { type Clock, systemClock } from '../../../control/clock.ts';
import { EngineError } from '../../errors.ts';
import type { Compute, InstanceSpec, StopOptions } from '../port.ts';
import { bootAdmission } from './admission.ts';
import { boot } from './boot.ts';
import { incusClient } from './client.ts';
import type { IncusContext } from './context.ts';
import { isNotFound, says } from './errors.ts';
import { watchEvents } from './events.ts';
import { storedImages } from './images.ts';
import { insideMachines } from './inside.ts';
import { type IncusInstance, instancePath, isUnborn, portInstances, update } from './instances.ts';
import { vpcNetworks } from './networks.ts';
import { diskReplacement } from './replace.ts';
import { savedDisks } from './saved.ts';
import { forgetIdentity, sourceOf } from './source.ts';
import { bootKey, engineName, instanceBody, type Placement, urnKey } from './spec.ts';
import { attachments } from './volumes.ts';

export interface IncusComputeOptions extends Omit<Placement, 'dropSysResource'> {
  socketPath: string;
  clock?: Clock;
  /** See `Placement`; absent: as the daemon's own capabilities say. */
  dropSysResource?: boolean;
}

/** How long Incus may take to pull the plug, in s. */
const forceTimeout = 60;

/** The compute port over system containers of an Incus daemon. */
export function incusCompute(options: IncusComputeOptions): Compute {
  const { socketPath, clock = systemClock } = options;
  const client = incusClient({ socketPath });
  const admission = bootAdmission({ clock });
  let dropSysResource = options.dropSysResource;
  async function placement(): Promise<Placement> {
    dropSysResource ??= await lacksSysResource();
    return { ...options, dropSysResource };
  }

  const path = (name: string) => instancePath(engineName(options.id, name));
  const find = (name: string) => client.find<IncusInstance>(path(name));
  const changeState = (name: string, change: { action: string; timeout: number; force?: boolean }) =>
    client.request('PUT', `${path(name)}/state`, { body: change });

  async function get(name: string) {
    // The last look is for a stand-in that took its machine's name between the first two.
    const instance = (await find(name)) ?? (await replacement.standIn(name)) ?? (await find(name));
    const [found] = instance ? await portInstances(client, [instance]) : [];
    return found;
  }

  async function pullPlug(name: string): Promise<void> {
    try {
      await changeState(name, { action: 'stop', timeout: forceTimeout, force: true });
    } catch (error) {
      if (!says(error, /already stopped/i)) throw error;
    }
  }

  /** Deletes a machine of this owner that has never run, if nothing works on it. */
  async function discardUnborn(name: string, urn: string): Promise<void> {
    try {
      const instance = await find(name);
      if (!instance || !isUnborn(instance) || instance.config[urnKey] !== urn) return;
      await client.request('DELETE', path(name));
    } catch {
      // Why it could not be made matters more; what is left is discarded before its next start.
    }
  }

  /**
   * The machine, unless it has never run: then throws `busy`. While it is being made, a change or a start would spoil
   * it for good (a directory where the root volume is to be, which cannot be removed any more). If nobody is making
   * it any more, a create has died with the daemon, nobody knows how far it came, and it is deleted to be made anew.
   */
  async function complete(name: string): Promise<IncusInstance> {
    const instance = await find(name);
    if (!instance?.config[urnKey]) throw new EngineError('failed', `incus: ${name} is not there`);
    if (!isUnborn(instance)) return instance;
    const [found] = await portInstances(client, [instance]);
    if (found?.state !== 'stopped') throw new EngineError('busy', `incus: ${name} is being made`);
    await client.request('DELETE', path(name));
    throw new EngineError('busy', `incus: ${name} was half-made and has been deleted`);
  }

  async function create(spec: InstanceSpec): Promise<void> {
    const body = instanceBody(spec, await sourceOf(context, spec.source), await placement());
    await admission.enter();
    try {
      await boot(context, spec.name, async () => {
        await client.request('POST', '/1.0/instances', { body });
        if (body.start) return;
        await forgetIdentity(context, spec.name);
        await changeState(spec.name, { action: 'start', timeout: 30 });
      });
    } catch (error) {
      if (says(error, /UNIQUE constraint failed: instances/)) {
        const there = await find(spec.name);
        if (there?.config[urnKey] === spec.urn) return;
        throw new EngineError('rejected', `incus: ${spec.name} belongs to another owner`, { cause: error });
      }
      if (isFinal(error)) await discardUnborn(spec.name, spec.urn);
      throw error;
    }
  }

  async function lacksSysResource(): Promise<boolean> {
    const server = await client.request<{ environment: { server_pid: number } }>('GET', '/1.0');
    try {
      const status = await readFile(`/proc/${server.environment.server_pid}/status`, 'utf8');
      return !hasSysResource(status);
    } catch {
      return false;
    }
  }

  const context: IncusContext = { client, id: options.id, clock, placement, path, find, complete, pullPlug };
  const replacement = diskReplacement(context);

  return {
    get,
    async list() {
      const instances = await client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
      return portInstances(client, instances);
    },
    create,
    async start(name) {
      await complete(name);
      await admission.enter();
      await boot(context, name, async () => {
        try {
          await changeState(name, { action: 'start', timeout: 30 });
        } catch (error) {
          if (!says(error, /already running/i)) throw error;
        }
      });
    },
    async stop(name: string, { force, timeoutMs }: StopOptions) {
      if (force) return pullPlug(name);
      try {
        await changeState(name, { action: 'stop', timeout: Math.max(1, Math.ceil(timeoutMs / 1000)) });
      } catch (error) {
        if (says(error, /already stopped/i)) return;
        if (!isFinal(error) || isNotFound(error)) throw error;
        await pullPlug(name);
      }
    },
    async setBoot(name, generation) {
      await complete(name);
      await update(client, 'PATCH', path(name), { config: { [bootKey]: String(generation) } });
    },
    async delete(name) {
      await replacement.discard(name);
      const instance = await find(name);
      if (!instance) return;
      try {
        if (instance.status !== 'Stopped') await pullPlug(name);
        await client.request('DELETE', path(name));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
    replaceDisk: replacement.replaceDisk,
    ...insideMachines(context),
    ...attachments(context),
    ...savedDisks(context),
    ...storedImages(context),
    ...vpcNetworks(context),
    watch: (listener, signal) => watchEvents({ socketPath, clock }, listener, signal),
    close: () => client.close(),
  };
}

/** Whether Incus is done with the request: nothing of it is, or may be, still under way. */
function isFinal(error: unknown): boolean {
  return error instanceof EngineError && error.kind !== 'unavailable' && error.kind !== 'busy';
}

/** Whether a process whose /proc/<pid>/status this is has CAP_SYS_RESOURCE (24 in linux/capability.h). */
export function hasSysResource(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
}
