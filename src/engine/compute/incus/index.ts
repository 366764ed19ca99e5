import { readFile } from 'node:fs/promises';
import { type Clock, systemClock } from '../../../base/clock.ts';
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute, Instance, InstanceSpec, StopOptions } from '../port.ts';
import { bootAdmission } from './admission.ts';
import { boot } from './boot.ts';
import { incusClient } from './client.ts';
import type { IncusContext } from './context.ts';
import { isNotFound, says } from './errors.ts';
import { watchEvents } from './events.ts';
import { guests, writeFiles } from './guest.ts';
import { storedImages } from './images.ts';
import { insideMachines } from './inside.ts';
import { type IncusInstance, instancePath, isUnborn, portInstances, remove, update } from './instances.ts';
import { machinesOf } from './machines.ts';
import { volumeMounts } from './mounts.ts';
import { vpcNetworks } from './networks.ts';
import { renewal, renewMachine } from './renewal.ts';
import { diskReplacement } from './replace.ts';
import { type LimitDisk, withRoom } from './room.ts';
import { diskSnapshots } from './snapshots.ts';
import { forgetIdentity, sourceOf } from './source.ts';
import { bootKey, engineNames, instanceBody, type Placement, urnKey } from './spec.ts';
import { surveys } from './survey.ts';
import { imageUnpacking } from './unpack.ts';
import { attachments } from './volumes.ts';

export interface IncusComputeOptions extends Omit<Placement, 'dropSysResource'> {
  socketPath: string;
  clock?: Clock;
  /** See `Placement`; absent: as the daemon's own capabilities say. */
  dropSysResource?: boolean;
  /** Absent: a machine that has filled its disk may not start. */
  limitDisk?: LimitDisk;
}

/** How long Incus may take to pull the plug, in s. */
const forceTimeout = 60;

/** The compute port over system containers of an Incus daemon. */
export function incusCompute(options: IncusComputeOptions): Compute {
  const { socketPath, clock = systemClock, limitDisk } = options;
  const client = incusClient({ socketPath });
  const admission = bootAdmission({ clock });
  let dropSysResource = options.dropSysResource;
  async function placement(): Promise<Placement> {
    dropSysResource ??= await lacksSysResource();
    return { ...options, dropSysResource };
  }

  const machines = machinesOf(client, options.id);
  /** Of the instance of this name in Incus. */
  const changeState = (name: string, change: { action: string; timeout: number; force?: boolean }) =>
    client.request('PUT', `${instancePath(name)}/state`, { body: change });

  async function get(name: string): Promise<Instance | undefined> {
    const instance = await machines.find(name);
    if (!instance) return undefined;
    const [found] = await portInstances(client, [instance]);
    // It has just gone: its replacement may be there.
    return found ?? (instance.config[urnKey] ? get(name) : undefined);
  }

  async function pullPlug({ name }: IncusInstance): Promise<void> {
    try {
      await changeState(name, { action: 'stop', timeout: forceTimeout, force: true });
    } catch (error) {
      if (!says(error, /already stopped/i)) throw error;
    }
  }

  /** Deletes a machine of this owner that has never run, if nothing works on it. */
  async function discardUnborn(name: string, urn: string): Promise<void> {
    try {
      const instance = await machines.find(name);
      if (!instance || !isUnborn(instance) || instance.config[urnKey] !== urn) return;
      await client.request('DELETE', instancePath(instance.name));
    } catch {
      // Why it could not be made matters more; what is left is discarded before its next start.
    }
  }

  /** What is there under the name of what is to be made is left as it is. Throws where it is somebody else's. */
  function leave(there: IncusInstance | undefined, { name, urn }: InstanceSpec, cause?: unknown): void {
    if (there?.config[urnKey] !== urn)
      throw new EngineError('rejected', `incus: ${name} belongs to another owner`, { cause });
  }

  async function create(spec: InstanceSpec): Promise<void> {
    const [, second] = engineNames(options.id, spec.name);
    const [source, where, there] = await Promise.all([
      sourceOf(context, spec.source),
      placement(),
      client.find<IncusInstance>(instancePath(second)),
    ]);
    if (there) return leave(there, spec);
    const body = instanceBody(spec, source, where);
    const files = spec.files ?? [];
    // Its first boot finds what it is to mount, and its files.
    const startsItself =
      body.start && files.length === 0 && !spec.volumes.some(({ filesystem }) => filesystem);
    await admission.enter();
    try {
      await boot(context, body.name, async () => {
        await client.request('POST', '/1.0/instances', { body: { ...body, start: startsItself } });
        if (startsItself) return;
        if (!body.start) await forgetIdentity(context, body.name);
        await writeFiles(client, instancePath(body.name), files);
        await volumeMounts(context).prepare(instancePath(body.name), spec.volumes);
        await changeState(body.name, { action: 'start', timeout: 30 });
      });
    } catch (error) {
      if (says(error, /UNIQUE constraint failed: instances/))
        return leave(await machines.find(spec.name), spec, error);
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

  const context: IncusContext = {
    ...machines,
    client,
    id: options.id,
    clock,
    placement,
    limitDisk,
    pullPlug,
  };

  return {
    get,
    async list() {
      const instances = await client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
      return portInstances(client, instances);
    },
    create,
    async start(name) {
      const machine = await machines.complete(name);
      if (machine.status === 'Stopped') await renewMachine(context, machine);
      await admission.enter();
      await boot(context, machine.name, async () => {
        try {
          await withRoom(limitDisk, machine, () =>
            changeState(machine.name, { action: 'start', timeout: 30 }),
          );
        } catch (error) {
          if (!says(error, /already running/i)) throw error;
        }
      });
    },
    async stop(name: string, { force, timeoutMs }: StopOptions) {
      const machine = await machines.existing(name);
      if (force) return pullPlug(machine);
      try {
        await changeState(machine.name, {
          action: 'stop',
          timeout: Math.max(1, Math.ceil(timeoutMs / 1000)),
        });
      } catch (error) {
        if (says(error, /already stopped/i)) return;
        if (!isFinal(error) || isNotFound(error)) throw error;
        await pullPlug(machine);
      }
    },
    async setBoot(name, generation) {
      const machine = await machines.complete(name);
      await update(client, 'PATCH', instancePath(machine.name), {
        config: { [bootKey]: String(generation) },
      });
    },
    async delete(name) {
      const { machine, replacement } = await machines.findBoth(name);
      // The machine goes last: without it the replacement would stand for it.
      if (replacement) await remove(client, replacement.name);
      if (!machine) return;
      try {
        if (machine.status !== 'Stopped') await pullPlug(machine);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      await remove(client, machine.name);
    },
    ...diskReplacement(context),
    ...renewal(context),
    ...insideMachines(context),
    ...guests(context),
    ...attachments(context),
    ...diskSnapshots(context),
    ...storedImages(context),
    ...imageUnpacking(context),
    ...vpcNetworks(context),
    ...surveys(context),
    watch: (listener, signal) => watchEvents({ socketPath, clock, id: options.id }, listener, signal),
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
