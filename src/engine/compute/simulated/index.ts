import { EngineError } from '../../errors.ts';
import type { Compute, Instance, InstanceSpec } from '../port.ts';
import type { Delays, Machine, World } from './world.ts';

export { type Delays, noDelays, openWorld, realisticDelays, type World } from './world.ts';

/** The compute port over a simulated world. Closing it leaves the world to whoever opened it. */
export function simulatedCompute(world: World): Compute {
  /** The machine, for one change at a time. */
  function claim(name: string): Machine {
    const machine = world.machines.get(name);
    if (!machine) throw new EngineError('failed', `${name} is not there`);
    if (machine.underWay) throw new EngineError('busy', `${name}: ${machine.underWay} is under way`);
    return machine;
  }

  /** Takes the time of a step with a machine, which is `transitional` the while, then does it. */
  async function carryOut(machine: Machine, step: keyof Delays, done: (machine: Machine) => Promise<void>) {
    machine.underWay = step;
    await world.take(step);
    // What happened behind our back in the meantime holds.
    const now = world.machines.get(machine.name);
    if (!now) throw new EngineError('failed', `${machine.name} has gone`);
    delete now.underWay;
    await done(now);
  }

  async function create(spec: InstanceSpec): Promise<void> {
    world.enter('create');
    if (!world.images.includes(spec.image))
      throw new EngineError('rejected', `there is no image ${spec.image}`);
    const there = world.machines.get(spec.name);
    if (there && there.urn !== spec.urn)
      throw new EngineError('rejected', `${spec.name} belongs to another owner`);
    if (there?.underWay) throw new EngineError('busy', `${spec.name}: ${there.underWay} is under way`);
    if (there) return;
    const networks = spec.nics.map((nic) => nic.network).filter((network) => network !== 'public');
    const missing = networks.find((network) => !world.networks.has(network));
    if (missing) throw new EngineError('failed', `there is no network of VPC ${missing}`);

    const { urn, name, boot } = spec;
    const machine: Machine = { urn, name, boot, networks, running: false };
    world.reserve(machine);
    await carryOut(machine, 'create', (now) => world.put({ ...now, running: true }));
  }

  return {
    async get(name) {
      world.enter('get');
      const machine = world.machines.get(name);
      return machine && seen(machine);
    },
    async list() {
      world.enter('list');
      return Array.from(world.machines.values(), seen);
    },
    create,
    async start(name) {
      world.enter('start');
      const machine = claim(name);
      if (!machine.running) await carryOut(machine, 'start', (now) => world.put({ ...now, running: true }));
    },
    async stop(name, { force }) {
      world.enter('stop');
      const machine = claim(name);
      if (!machine.running) return;
      await carryOut(machine, force ? 'force' : 'stop', (now) => world.put({ ...now, running: false }));
    },
    async setBoot(name, boot) {
      world.enter('setBoot');
      await world.put({ ...claim(name), boot });
    },
    async delete(name) {
      world.enter('delete');
      if (!world.machines.has(name)) return;
      await carryOut(claim(name), 'delete', () => world.remove(name));
    },
    async ensureNetwork(vpcId) {
      world.enter('ensureNetwork');
      if (!world.networks.has(vpcId)) await world.putNetwork(vpcId);
    },
    async networks() {
      world.enter('networks');
      return [...world.networks];
    },
    async deleteNetwork(vpcId) {
      world.enter('deleteNetwork');
      for (const machine of world.machines.values())
        if (machine.networks.includes(vpcId))
          throw new EngineError('busy', `${machine.name} hangs on the network of VPC ${vpcId}`);
      if (world.networks.has(vpcId)) await world.removeNetwork(vpcId);
    },
    async images() {
      world.enter('images');
      return [...world.images];
    },
    watch: (listener, signal) => world.watch(listener, signal),
    close: async () => {},
  };
}

function seen({ urn, name, running, underWay, boot }: Machine): Instance {
  return { urn, name, state: underWay ? 'transitional' : running ? 'running' : 'stopped', boot };
}
