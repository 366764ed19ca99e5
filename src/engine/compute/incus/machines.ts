/**
 * The instances of a machine, by the port's name of it. A machine lives under either of two names in Incus, and while
 * its disk is replaced there is an instance under each of them: see replace.ts.
 */
import { EngineError } from '../../../base/engine-error.ts';
import type { IncusClient } from './client.ts';
import {
  type IncusInstance,
  instancePath,
  isUnborn,
  portInstances,
  withoutReplacements,
} from './instances.ts';
import { engineNames, replacesKey, urnKey } from './spec.ts';

export interface Machines {
  /** The instance that is the machine of this name, or stands for it. */
  find(name: string): Promise<IncusInstance | undefined>;
  /** The same, and the instance that is to replace it. */
  findBoth(name: string): Promise<Record<'machine' | 'replacement', IncusInstance | undefined>>;
  /** The machine. Throws `failed` where there is none. */
  existing(name: string): Promise<IncusInstance>;
  /** The machine, which is complete. Throws `failed` where there is none and `busy` where it is half-made. */
  complete(name: string): Promise<IncusInstance>;
}

/** The machines of the Atoll whose four hex digits are `id`. */
export function machinesOf(client: IncusClient, id: string): Machines {
  const at = (name: string) => client.find<IncusInstance>(instancePath(name));

  async function find(name: string): Promise<IncusInstance | undefined> {
    const [first, second] = engineNames(id, name);
    const there = await at(first);
    if (there && !there.config[replacesKey]) return there;
    // The last look is for one that has replaced the second between the first two.
    return (await at(second)) ?? at(first);
  }

  async function existing(name: string): Promise<IncusInstance> {
    const instance = await find(name);
    if (!instance?.config[urnKey]) throw new EngineError('failed', `incus: ${name} is not there`);
    return instance;
  }

  return {
    find,
    async findBoth(name) {
      const looks = await Promise.all(engineNames(id, name).map(at));
      const there = looks.filter((instance) => instance !== undefined);
      const [machine] = withoutReplacements(there);
      return { machine, replacement: there.find((instance) => instance !== machine) };
    },
    existing,
    /**
     * A machine that has never run is not complete. While it is being made, a change or a start would spoil it for
     * good (a directory where the root volume is to be, which cannot be removed any more). If nobody is making it any
     * more, a create has died with the daemon, nobody knows how far it came, and it is deleted to be made anew.
     */
    async complete(name) {
      const instance = await existing(name);
      if (!isUnborn(instance)) return instance;
      const [found] = await portInstances(client, [instance]);
      if (found?.state !== 'stopped') throw new EngineError('busy', `incus: ${name} is being made`);
      await client.request('DELETE', instancePath(instance.name));
      throw new EngineError('busy', `incus: ${name} was half-made and has been deleted`);
    },
  };
}
