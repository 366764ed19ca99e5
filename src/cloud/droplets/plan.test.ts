import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Desired, type Observed, plan, type Step } from './plan.ts';

const desired: Desired = {
  deleted: false,
  power: 'on',
  boot: 1,
  stop: 'graceful',
  acting: true,
  root: 1,
  rootDone: 0,
  replacing: false,
  size: { vcpus: 1, memoryMib: 1024, diskGib: 25 },
  volumes: [],
  ipv6: false,
  password: false,
  snapshots: [],
  entry: 'a',
};
const machine = { boot: 1, root: 1, size: desired.size, volumes: [], ipv6: false };
const nothing: Observed = { instance: undefined, published: undefined };
const running = (boot = 1): Observed => ({
  instance: { ...machine, state: 'running', boot },
  published: 'a',
});
const stopped = (boot = 1): Observed => ({
  instance: { ...machine, state: 'stopped', boot },
  published: 'a',
});

describe('plan', () => {
  it('publishes the metadata before the machine boots', () => {
    expect(plan(desired, nothing)).toEqual({
      steps: [{ do: 'publish' }, { do: 'ensure-network' }, { do: 'create' }],
    });
  });

  it('is done when the machine runs the wanted boot', () => {
    expect(plan(desired, running())).toEqual({ settled: 'active' });
  });

  it('starts a machine that a crash left stopped in the middle of its create', () => {
    expect(plan(desired, stopped())).toEqual({ steps: [{ do: 'start' }] });
  });

  it('reboots by stopping, marking and starting, so that no crash boots twice', () => {
    const reboot = { ...desired, rootDone: 1, boot: 2 };
    expect(plan(reboot, running(1))).toEqual({ steps: [{ do: 'stop', mode: 'graceful' }] });
    expect(plan(reboot, stopped(1))).toEqual({ steps: [{ do: 'mark-boot' }, { do: 'start' }] });
    expect(plan(reboot, stopped(2))).toEqual({ steps: [{ do: 'start' }] });
    expect(plan(reboot, running(2))).toEqual({ settled: 'active' });
  });

  it('takes a machine as it is found when no action is pending', () => {
    const idle = { ...desired, acting: false, rootDone: 1 };
    expect(plan(idle, stopped())).toEqual({ settled: 'off' });
    expect(plan({ ...idle, power: 'off' }, running())).toEqual({ settled: 'active' });
  });

  it('does not silently make a lost machine anew', () => {
    const lost = { ...desired, rootDone: 1 };
    expect(plan({ ...lost, acting: false }, nothing)).toEqual({ settled: 'off' });
    expect(plan(lost, nothing)).toEqual({ settled: { failed: expect.stringContaining('gone') } });
  });

  it('leaves nothing behind of a create that failed', () => {
    const failed = { ...desired, acting: false };
    expect(plan(failed, stopped())).toEqual({ steps: [{ do: 'delete' }] });
    expect(plan(failed, { instance: undefined, published: 'a' })).toEqual({ steps: [{ do: 'withdraw' }] });
    expect(plan(failed, nothing)).toEqual({ settled: 'off' });
  });

  it('waits while the engine is at work', () => {
    expect(plan(desired, { instance: { ...machine, state: 'transitional' }, published: 'a' })).toHaveProperty(
      'wait',
    );
  });

  it('replaces the disk before anything else, and leaves its own generation alone', () => {
    const rebuild = { ...desired, rootDone: 1, root: 2, replacing: true };
    expect(plan(rebuild, running())).toEqual({ steps: [{ do: 'replace-disk' }] });
    expect(plan(rebuild, { instance: { ...machine, state: 'stopped', root: 2 }, published: 'a' })).toEqual({
      steps: [{ do: 'start' }],
    });
    expect(plan({ ...rebuild, acting: false }, running())).toEqual({ settled: 'active' });
  });

  it('replaces no disk of an older generation for an action that did not ask for another one', () => {
    const reboot = { ...desired, root: 2, rootDone: 2, boot: 2 };
    expect(plan(reboot, running(1))).toEqual({ steps: [{ do: 'stop', mode: 'graceful' }] });
    expect(plan({ ...reboot, rootDone: 1, boot: 1 }, stopped())).toEqual({ steps: [{ do: 'start' }] });
  });

  it('changes size, volumes and address while an action is pending, and only then', () => {
    const changed = {
      ...desired,
      rootDone: 1,
      size: { vcpus: 2, memoryMib: 2048, diskGib: 25 },
      volumes: ['new', 'kept'],
      ipv6: true,
      snapshots: [7],
    };
    const found: Observed = {
      instance: { ...machine, state: 'running', volumes: ['old', 'kept'] },
      published: 'a',
    };
    expect(plan(changed, found)).toEqual({
      steps: [
        { do: 'resize' },
        { do: 'detach', volume: 'old' },
        { do: 'attach', volume: 'new' },
        { do: 'add-ipv6' },
        { do: 'snapshot', image: 7 },
      ],
    });
    expect(plan({ ...changed, acting: false }, found)).toEqual({ settled: 'active' });
  });

  it('never shrinks a disk', () => {
    const smaller = { ...desired, rootDone: 1, size: { ...desired.size, diskGib: 10 } };
    expect(plan(smaller, running())).toEqual({ settled: 'active' });
  });

  it('sets a password only in a machine that runs', () => {
    const reset = { ...desired, rootDone: 1, password: true };
    expect(plan(reset, stopped())).toEqual({ steps: [{ do: 'start' }] });
    expect(plan(reset, running())).toEqual({ steps: [{ do: 'set-password' }] });
  });

  it('deletes the machine before its address is let go', () => {
    const deleted = { ...desired, deleted: true };
    expect(plan(deleted, running())).toEqual({ steps: [{ do: 'delete' }] });
    expect(plan(deleted, { instance: undefined, published: 'a' })).toEqual({ steps: [{ do: 'withdraw' }] });
    expect(plan(deleted, nothing)).toEqual({ settled: 'gone' });
  });

  it('reaches an end from every state within eight rounds, whatever was done before', () => {
    fc.assert(
      fc.property(anyDesired, anyObserved, (desired, observed) => {
        let world: World = { desired, observed };
        for (let round = 0; round < 8; round++) {
          const next = plan(world.desired, world.observed);
          if ('settled' in next) return;
          world = 'wait' in next ? settleTransition(world) : next.steps.reduce(act, world);
        }
        throw new Error(`no end: ${JSON.stringify({ desired, observed, world })}`);
      }),
    );
  });
});

const anySize = fc.record({
  vcpus: fc.constantFrom(1, 2),
  memoryMib: fc.constantFrom(512, 1024),
  diskGib: fc.constantFrom(10, 25),
});
const anyVolumes = fc.uniqueArray(fc.constantFrom('u', 'v', 'w'));

const anyDesired = fc.record<Desired>({
  deleted: fc.boolean(),
  power: fc.constantFrom('on', 'off'),
  boot: fc.integer({ min: 1, max: 3 }),
  stop: fc.constantFrom('graceful', 'force'),
  acting: fc.boolean(),
  root: fc.integer({ min: 1, max: 3 }),
  rootDone: fc.integer({ min: 0, max: 3 }),
  replacing: fc.boolean(),
  size: anySize,
  volumes: anyVolumes,
  ipv6: fc.boolean(),
  password: fc.boolean(),
  snapshots: fc.uniqueArray(fc.constantFrom(1, 2)),
  entry: fc.constantFrom('a', 'b'),
});

const anyObserved = fc.record<Observed>({
  instance: fc.option(
    fc.record({
      state: fc.constantFrom('running' as const, 'stopped' as const, 'transitional' as const),
      boot: fc.integer({ min: 1, max: 3 }),
      root: fc.integer({ min: 0, max: 3 }),
      size: anySize,
      volumes: anyVolumes,
      ipv6: fc.boolean(),
    }),
    { nil: undefined },
  ),
  published: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
});

/** Desired and observed state: some steps are ended by the database and not by the engine. */
interface World {
  desired: Desired;
  observed: Observed;
}

const settleTransition = ({ desired, observed }: World): World => ({
  desired,
  observed: { ...observed, instance: observed.instance && { ...observed.instance, state: 'stopped' } },
});

/** What a step does to the world, by its port's contract. */
function act({ desired, observed }: World, step: Step): World {
  const { instance } = observed;
  const change = (changed: Partial<NonNullable<Observed['instance']>>): World => ({
    desired,
    observed: { ...observed, instance: instance && { ...instance, ...changed } },
  });
  const { boot, root, size, volumes, ipv6 } = desired;
  const grown = { ...size, diskGib: Math.max(size.diskGib, instance?.size.diskGib ?? 0) };
  switch (step.do) {
    case 'publish':
      return { desired, observed: { ...observed, published: desired.entry } };
    case 'withdraw':
      return { desired, observed: { ...observed, published: undefined } };
    case 'ensure-network':
      return { desired, observed };
    case 'create': {
      const made = { state: 'running' as const, boot, root, size, volumes, ipv6 };
      return { desired, observed: { ...observed, instance: instance ?? made } };
    }
    case 'replace-disk':
      return change({ state: 'stopped', boot, root, size: grown, volumes, ipv6 });
    case 'resize':
      return change({ size: grown });
    case 'attach':
      return change({ volumes: [...(instance?.volumes ?? []), step.volume] });
    case 'detach':
      return change({ volumes: (instance?.volumes ?? []).filter((volume) => volume !== step.volume) });
    case 'add-ipv6':
      return change({ ipv6: true });
    case 'set-password':
      return { desired: { ...desired, password: false }, observed };
    case 'snapshot':
      return {
        desired: { ...desired, snapshots: desired.snapshots.filter((image) => image !== step.image) },
        observed,
      };
    case 'start':
      return change({ state: 'running' });
    case 'stop':
      return change({ state: 'stopped' });
    case 'mark-boot':
      return change({ boot });
    case 'delete':
      return { desired, observed: { ...observed, instance: undefined } };
  }
}
