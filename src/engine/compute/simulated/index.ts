import { availableParallelism } from 'node:os';
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute, GuestFile, Instance, InstanceSpec } from '../port.ts';
import { simulatedDisks } from './disks.ts';
import type { Delays, Machine, World } from './world.ts';

export type { Load } from './load.ts';
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

  const run = (machine: Machine) =>
    world.put({ ...machine, running: true, runs: (machine.runs ?? 0) + 1, version: world.version });

  /** Changes a machine that runs or not, in passing. */
  async function change(name: string, changed: (machine: Machine) => Partial<Machine>): Promise<void> {
    claim(name);
    await world.take('change');
    const now = claim(name);
    await world.put({ ...now, ...changed(now) });
  }

  /** What a machine is by its spec, apart from whether it runs. */
  function machineOf(spec: InstanceSpec): Omit<Machine, 'running'> {
    if ('image' in spec.source && !world.images.has(spec.source.image))
      throw new EngineError('missing', `there is no image ${spec.source.image}`);
    if ('snapshot' in spec.source && !world.snapshots.has(spec.source.snapshot))
      throw new EngineError('missing', `there is no snapshot ${spec.source.snapshot}`);
    const networks = spec.nics.map((nic) => nic.network).filter((network) => network !== 'public');
    const missing = networks.find((network) => !world.networks.has(network));
    if (missing) throw new EngineError('failed', `there is no network of VPC ${missing}`);
    const { urn, name, boot, root, vcpus, memoryMib, diskGib } = spec;
    return {
      urn,
      name,
      boot,
      root,
      size: { vcpus, memoryMib, diskGib },
      volumes: spec.volumes.map(({ id }) => id),
      ipv6: spec.nics.some(({ network, ipv6 }) => network === 'public' && ipv6),
      networks,
      ...(spec.files && { files: filesOf(spec.files) }),
      addresses: spec.nics.flatMap(({ network, ipv4, ipv6 }) =>
        [ipv4, ipv6].flatMap((given) => (given ? [{ network, ip: given.address }] : [])),
      ),
      createdAt: world.machines.get(name)?.createdAt ?? world.clock.now().getTime(),
    };
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
    async survey() {
      world.enter('survey');
      const machines = Array.from(world.machines.values(), ({ urn, name, size, ...machine }) => ({
        urn,
        name,
        bytes: size.diskGib * 2 ** 30,
        ...(machine.createdAt !== undefined && { createdAt: new Date(machine.createdAt) }),
        addresses: machine.addresses ?? [],
      }));
      const disks = Array.from(world.snapshots.values(), (disk) => ({ ...disk, addresses: [] }));
      return [...machines, ...disks];
    },
    async capacity() {
      world.enter('capacity');
      return { name: 'simulated', cpus: availableParallelism(), ...world.capacity };
    },
    async mark() {
      world.enter('mark');
      return world.mark;
    },
    async setMark(mark) {
      world.enter('setMark');
      await world.record({ mark });
    },
    async create(spec) {
      world.enter('create');
      const there = world.machines.get(spec.name);
      if (there && there.urn !== spec.urn)
        throw new EngineError('rejected', `${spec.name} belongs to another owner`);
      if (there?.underWay) throw new EngineError('busy', `${spec.name}: ${there.underWay} is under way`);
      if (there) return;
      const machine = { ...machineOf(spec), running: false };
      world.reserve(machine);
      await carryOut(machine, 'create', run);
    },
    async start(name) {
      world.enter('start');
      const machine = claim(name);
      if (!machine.running) await carryOut(machine, 'start', run);
    },
    async renew() {
      world.enter('renew');
    },
    async outdated() {
      world.enter('outdated');
      return Array.from(world.machines.values()).flatMap(({ urn, name, running, version = 1 }) =>
        running && version !== world.version ? [{ urn, name, settings: [`version ${version}`] }] : [],
      );
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
    async replaceDisk(spec) {
      world.enter('replaceDisk');
      const machine = claim(spec.name);
      if (machine.root === spec.root) return;
      const replaced = machineOf(spec);
      await carryOut(machine, 'replace', () => world.put({ ...replaced, running: false }));
    },
    async resize(name, size) {
      world.enter('resize');
      await change(name, (now) => ({
        size: { ...size, diskGib: Math.max(size.diskGib, now.size.diskGib) },
      }));
    },
    async addIpv6(name, { address }) {
      world.enter('addIpv6');
      await change(name, ({ addresses = [] }) => ({
        ipv6: true,
        addresses: [...addresses, { network: 'public', ip: address }],
      }));
    },
    async setRootPassword(name) {
      world.enter('setRootPassword');
      if (!claim(name).running) throw new EngineError('failed', `${name} does not run`);
      await world.take('change');
    },
    async attachVolume(name, { id }) {
      world.enter('attachVolume');
      await change(name, ({ volumes }) => ({ volumes: [...volumes.filter((each) => each !== id), id] }));
    },
    async detachVolume(name, volumeId) {
      world.enter('detachVolume');
      await change(name, ({ running, volumes }) => {
        if (running && volumes.includes(volumeId) && world.isHeld(volumeId))
          throw new EngineError('rejected', `volume ${volumeId} is in use inside ${name}`);
        return { volumes: volumes.filter((id) => id !== volumeId) };
      });
    },
    async putFiles(name, files) {
      world.enter('putFiles');
      await change(name, (now) => ({ files: { ...now.files, ...filesOf(files) } }));
    },
    async runProgram(name, program, input) {
      world.enter('runProgram');
      if (!claim(name).running) throw new EngineError('failed', `${name} does not run`);
      await world.take('change');
      const now = claim(name);
      // As it would come through a pipe.
      const told = structuredClone(input);
      const { output, remembered } = program.simulate(told, now.remembered?.[program.path]);
      await world.put({ ...now, remembered: { ...now.remembered, [program.path]: remembered } });
      try {
        return program.parse(structuredClone(output));
      } catch (error) {
        throw new EngineError(
          'failed',
          `${name}: ${program.path} printed what it should not: ${(error as Error).message}`,
        );
      }
    },
    ...simulatedDisks(world, claim),
    async console(name) {
      world.enter('console');
      const { boot, running } = claim(name);
      return `${name}: boot ${boot}\n${running ? 'The system is up.\n' : 'The system is down.\n'}`;
    },
    async usage(name) {
      world.enter('usage');
      const machine = world.machines.get(name);
      return machine?.running ? world.usage(machine) : undefined;
    },
    async ensureNetwork(vpcId) {
      world.enter('ensureNetwork');
      if (!world.networks.has(vpcId)) await world.record({ network: vpcId });
    },
    async networks() {
      world.enter('networks');
      return [...world.networks];
    },
    async deleteNetwork(vpcId) {
      world.enter('deleteNetwork');
      for (const machine of world.machines.values())
        if (machine.networks.includes(vpcId))
          throw new EngineError('busy', `${machine.name} is attached to the network of VPC ${vpcId}`);
      if (world.networks.has(vpcId)) await world.record({ noNetwork: vpcId });
    },
    watch: (listener, signal) => world.watch(listener, signal),
    close: async () => {},
  };
}

const filesOf = (files: readonly GuestFile[]): Record<string, string> =>
  Object.fromEntries(files.map(({ path, content }) => [path, content]));

function seen({ urn, name, boot, root, runs, size, volumes, ipv6, running, underWay }: Machine): Instance {
  const state = underWay ? 'transitional' : running ? 'running' : 'stopped';
  return { urn, name, state, boot, root, run: String(runs ?? 0), size, volumes, ipv6 };
}
