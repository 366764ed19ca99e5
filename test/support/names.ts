/**
 * Tests name what engines hold by its row's id, `droplet-5`: the nonce that follows is random, see
 * src/cloud/engine-name.ts.
 */
import type { Compute } from '../../src/engine/compute/port.ts';
import type { World } from '../../src/engine/compute/simulated/index.ts';

const withNonce = /^((?:droplet|image|custom|machine)-\d+)-[0-9a-f]{8}$/;

export const withoutNonce = (name: string): string => withNonce.exec(name)?.[1] ?? name;

/** The name among `names` that this one is short for; itself where there is none. */
const full = (name: string, names: Iterable<string>): string => {
  const all = [...names];
  return all.includes(name) ? name : (all.find((each) => withoutNonce(each) === name) ?? name);
};

/** All names in an engine. */
async function namesIn(compute: Compute): Promise<string[]> {
  const [surveyed, images] = await Promise.all([compute.survey(), compute.images()]);
  return [...surveyed.map(({ name }) => name), ...images];
}

/** The engine's own name of what a test calls `droplet-5`. */
export const fullName = async (compute: Compute, name: string): Promise<string> =>
  full(name, await namesIn(compute));

/** The same engine, for tests: it takes and answers names without nonces. */
export function byShortName(compute: Compute): Compute {
  const named = (key: string) =>
    /^(get|start|stop|setBoot|delete|resize|addIpv6|setRootPassword|attachVolume|detachVolume|console|usage|putFiles|runProgram)$/.test(
      key,
    ) || /^(snapshotDisk|deleteSnapshot|deleteImage)$/.test(key);
  return new Proxy(compute, {
    get(target, key: string) {
      const method: unknown = Reflect.get(target, key);
      if (typeof method !== 'function' || key === 'watch') return method;
      return async (...args: unknown[]) => {
        const [name, ...others] = args;
        const given =
          named(key) && typeof name === 'string' ? [await fullName(target, name), ...others] : args;
        return shortened(await method.apply(target, given));
      };
    },
  });
}

function shortened(answer: unknown): unknown {
  if (typeof answer === 'string') return withoutNonce(answer);
  if (Array.isArray(answer)) return answer.map(shortened);
  if (answer && typeof answer === 'object' && 'name' in answer)
    return { ...answer, name: withoutNonce(String(answer.name)) };
  return answer;
}

/** The same world, whose machines tests call by short names. */
export function worldByShortName(world: World): World {
  const machine = (name: string) => full(name, world.machines.keys());
  return new Proxy(world, {
    get(target, key) {
      switch (key) {
        case 'stopBehindOurBack':
        case 'rebootBehindOurBack':
        case 'deleteBehindOurBack':
          return (name: string) => target[key](machine(name));
        case 'load':
          return (name: string, load: Parameters<World['load']>[1]) => target.load(machine(name), load);
        default:
          return Reflect.get(target, key);
      }
    },
  });
}
