import { systemClock } from '../../src/base/clock.ts';
import { openWorld, simulatedCompute } from '../../src/engine/compute/simulated/index.ts';
import { computeContract } from './compute.contract.ts';
import { guestContract } from './compute-guest.contract.ts';
import type { EngineUnderTest } from './compute-under-test.ts';

const quick = {
  create: 20,
  start: 10,
  stop: 20,
  force: 5,
  delete: 5,
  replace: 20,
  snapshotDisk: 5,
  change: 2,
  import: 5,
};

const capacity = { memoryMib: 16_384, pool: { bytes: 50 * 2 ** 30, freeBytes: 40 * 2 ** 30 } };

const simulated = async (): Promise<EngineUnderTest> => {
  const world = await openWorld({ clock: systemClock, images: ['debian-12'], delays: quick, capacity });
  const compute = simulatedCompute(world);
  return {
    compute,
    image: 'debian-12',
    macPrefix: '10:66:6a:00:00',
    publicIpv4: (host) => ({ address: `10.64.0.${host}`, prefix: 24, gateway: '10.64.0.1' }),
    ipv6Prefix: 'fd00:64',
    volume: async (id) => ({ id, name: 'data', device: '/dev/simulated' }),
    use: async (_, { id }) => {
      world.hold(id, true);
      return async () => world.hold(id, false);
    },
    readFile: async (name, path) => world.machines.get(name)?.files?.[path] ?? '',
    imageFile: '/dev/null',
    stopBehindOurBack: (name) => world.stopBehindOurBack(name),
    deleteBehindOurBack: (name) => world.deleteBehindOurBack(name),
    remove: async () => {
      await compute.close();
      await world.close();
    },
  };
};

computeContract('simulated', simulated);
guestContract('simulated', simulated);
