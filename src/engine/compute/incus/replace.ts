/**
 * A machine gets another disk: a second instance is made beside it, under the one of its two names that is free, and is
 * the machine from the moment in which the old one is deleted. So what cannot be made leaves the machine unharmed, and a
 * crash at any moment leaves one that can be finished. Nothing is renamed: an incusd that is killed while it renames an
 * instance leaves one that it can neither start nor rename nor repair.
 */
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute, InstanceSpec } from '../port.ts';
import type { IncusContext } from './context.ts';
import {
  type IncusInstance,
  instancePath,
  isUnderWay,
  ownConfig,
  remove,
  rewrite,
  update,
} from './instances.ts';
import { volumeMounts } from './mounts.ts';
import { keepIdentity, sourceOf } from './source.ts';
import {
  bytesKey,
  engineNames,
  instanceConfig,
  instanceDevices,
  madeKey,
  replacesKey,
  rootDevice,
  rootKey,
  urnKey,
} from './spec.ts';

export function diskReplacement(context: IncusContext): Pick<Compute, 'replaceDisk'> {
  const { client, id, complete, findBoth } = context;

  /** Makes the new disk, without the addresses and volumes, which the machine still has. */
  async function make(spec: InstanceSpec, machine: IncusInstance): Promise<void> {
    const placement = await context.placement();
    const source = await sourceOf(context, spec.source);
    const [first, second] = engineNames(id, spec.name);
    const name = machine.name === first ? second : first;
    try {
      await client.request('POST', '/1.0/instances', {
        body: {
          name,
          type: 'container',
          profiles: [],
          source: source.source,
          // Once the machine has gone it stands for it until it is furnished, with the old generation.
          config: {
            ...source.config,
            [urnKey]: spec.urn,
            [replacesKey]: machine.name,
            [rootKey]: machine.config[rootKey] ?? '1',
            'security.idmap.isolated': 'true',
          },
          devices: { root: rootDevice(spec.diskGib, placement.pool) },
        },
      });
    } catch (error) {
      if (error instanceof EngineError && error.kind !== 'unavailable' && error.kind !== 'busy')
        await remove(client, name);
      throw error;
    }
    await update(client, 'PATCH', instancePath(name), { config: { [madeKey]: purpose(spec) } });
  }

  /**
   * From here on there is no way back, as a deletion that failed may have taken the old disk: what fails is told as what
   * passes, to be tried until it works.
   */
  async function commit(spec: InstanceSpec, old?: IncusInstance): Promise<void> {
    try {
      if (old) await remove(client, old.name);
      await furnish(spec);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind === 'busy') throw error;
      throw new EngineError('unavailable', error.message, { cause: error });
    }
  }

  /** The new machine becomes what it is to be, its generation included, and is no replacement any more. */
  async function furnish(spec: InstanceSpec): Promise<void> {
    const machine = await complete(spec.name);
    const placement = await context.placement();
    const { [bytesKey]: bytes } = machine.config;
    await volumeMounts(context).prepare(instancePath(machine.name), spec.volumes);
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

  /** The machine, which has to be complete to be replaced. */
  async function replaceable(name: string): Promise<IncusInstance> {
    const machine = await complete(name);
    // It stands for one that has gone, and another disk is wanted now: it must not count as the replacement of that.
    if (machine.config[replacesKey])
      await update(client, 'PATCH', instancePath(machine.name), { config: { [replacesKey]: '' } });
    return machine;
  }

  return {
    async replaceDisk(spec) {
      const { name, root, urn } = spec;
      const { machine, replacement } = await findBoth(name);
      if (!machine?.config[urnKey]) throw new EngineError('failed', `incus: ${name} is not there`);
      if (machine.config[urnKey] !== urn)
        throw new EngineError('rejected', `incus: ${name} belongs to another owner`);
      if (replacement && (await isUnderWay(client, replacement.name)))
        throw new EngineError('busy', `incus: another disk of ${name} is being made`);
      const isMade = replacement?.config[madeKey] === purpose(spec);
      const isDone = machine.config[rootKey] === String(root);
      if (replacement && (isDone || !isMade)) await remove(client, replacement.name);
      if (isDone) return;
      if (machine.config[madeKey] === purpose(spec)) return commit(spec);
      const old = await replaceable(name);
      if (!isMade) await make(spec, old);
      await context.pullPlug(old);
      await commit(spec, old);
    },
  };
}

/** Which wish a disk was made for: another one may come before this one is fulfilled. */
function purpose({ root, source }: InstanceSpec): string {
  return `${root} ${'image' in source ? `image ${source.image}` : `saved ${source.snapshot}`}`;
}
