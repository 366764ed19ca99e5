/**
 * A machine gets another disk: a second instance is made beside it, and takes its place when it is complete. So
 * what cannot be made leaves the machine unharmed, and a crash at any moment leaves one that can be finished.
 */
import { EngineError } from '../../errors.ts';
import type { InstanceSpec } from '../port.ts';
import type { IncusContext } from './context.ts';
import { isNotFound } from './errors.ts';
import { type IncusInstance, instancePath, isUnderWay, ownConfig, rewrite, update } from './instances.ts';
import { keepIdentity, sourceOf } from './source.ts';
import {
  bytesKey,
  engineName,
  instanceConfig,
  instanceDevices,
  madeKey,
  replacementName,
  rootDevice,
  rootKey,
  urnKey,
} from './spec.ts';

export function diskReplacement(context: IncusContext) {
  const { client, id, find, path } = context;
  const pathBeside = (name: string) => instancePath(replacementName(id, name));
  const beside = (name: string) => client.find<IncusInstance>(pathBeside(name));

  /** Removes what was to replace a machine; one that is gone already is fine. */
  async function discard(name: string): Promise<void> {
    try {
      await client.request('DELETE', pathBeside(name));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Makes the new disk, without the addresses and volumes, which the machine still has. */
  async function make(spec: InstanceSpec, machine: IncusInstance): Promise<void> {
    const placement = await context.placement();
    const source = await sourceOf(context, spec.source);
    try {
      await client.request('POST', '/1.0/instances', {
        body: {
          name: replacementName(id, spec.name),
          type: 'container',
          profiles: [],
          source: source.source,
          // It stands in for the machine between the two steps of the swap, with the old generation.
          config: {
            ...source.config,
            [urnKey]: spec.urn,
            [rootKey]: machine.config[rootKey] ?? '1',
            'security.idmap.isolated': 'true',
          },
          devices: { root: rootDevice(spec.diskGib, placement.pool) },
        },
      });
    } catch (error) {
      if (error instanceof EngineError && error.kind !== 'unavailable' && error.kind !== 'busy')
        await discard(spec.name);
      throw error;
    }
    await update(client, 'PATCH', pathBeside(spec.name), { config: { [madeKey]: purpose(spec) } });
  }

  /** The machine goes, what was made beside it gets its name. */
  async function swap(name: string): Promise<void> {
    await context.pullPlug(name);
    await client.request('DELETE', path(name));
    await takePlace(name);
  }

  async function takePlace(name: string): Promise<void> {
    await client.request('POST', pathBeside(name), { body: { name: engineName(id, name) } });
  }

  /**
   * The new machine becomes what it is to be, its generation included. The old disk is gone: as there is no way back,
   * what fails is told as what passes, to be tried until it works.
   */
  async function finish(spec: InstanceSpec): Promise<void> {
    try {
      await furnish(spec);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind === 'busy') throw error;
      throw new EngineError('unavailable', error.message, { cause: error });
    }
  }

  async function furnish(spec: InstanceSpec): Promise<void> {
    const machine = await context.complete(spec.name);
    const placement = await context.placement();
    const { [bytesKey]: bytes } = machine.config;
    await rewrite(client, machine, {
      config: {
        ...keepIdentity(ownConfig(machine)),
        ...instanceConfig(spec, placement),
        [madeKey]: purpose(spec),
        ...(bytes ? { [bytesKey]: bytes } : {}),
      },
      devices: instanceDevices(spec, placement),
    });
  }

  async function replaceDisk(spec: InstanceSpec): Promise<void> {
    const { name } = spec;
    let [machine, replacement] = await Promise.all([find(name), beside(name)]);
    if (!machine && replacement?.config[madeKey]) {
      // The swap died half-way.
      await takePlace(name);
      [machine, replacement] = [await find(name), undefined];
    }
    if (!machine?.config[urnKey]) throw new EngineError('failed', `incus: ${name} is not there`);
    if (machine.config[urnKey] !== spec.urn)
      throw new EngineError('rejected', `incus: ${name} belongs to another owner`);
    if (replacement && (await isUnderWay(client, replacement.name)))
      throw new EngineError('busy', `incus: another disk of ${name} is being made`);
    if (machine.config[rootKey] === String(spec.root)) return discard(name);
    if (machine.config[madeKey] === purpose(spec)) return finish(spec);
    machine = await context.complete(name);
    if (replacement?.config[madeKey] !== purpose(spec)) {
      await discard(name);
      await make(spec, machine);
    }
    await swap(name);
    await finish(spec);
  }

  return {
    replaceDisk,
    /** What stands in for a machine that has gone, until it takes its name. */
    standIn: beside,
    discard,
  };
}

/** Which wish a disk was made for: another one may come before this one is fulfilled. */
function purpose({ root, source }: InstanceSpec): string {
  return `${root} ${'image' in source ? `image ${source.image}` : `saved ${source.saved}`}`;
}
