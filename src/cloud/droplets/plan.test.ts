import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Desired, type Observed, plan } from './plan.ts';

const desired: Desired = {
  deleted: false,
  power: 'on',
  boot: 1,
  stop: 'graceful',
  acting: true,
  provisioned: false,
  entry: 'a',
};
const nothing: Observed = { instance: undefined, published: undefined };
const running = (boot = 1): Observed => ({ instance: { state: 'running', boot }, published: 'a' });
const stopped = (boot = 1): Observed => ({ instance: { state: 'stopped', boot }, published: 'a' });

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
    const reboot = { ...desired, provisioned: true, boot: 2 };
    expect(plan(reboot, running(1))).toEqual({ steps: [{ do: 'stop', mode: 'graceful' }] });
    expect(plan(reboot, stopped(1))).toEqual({ steps: [{ do: 'mark-boot' }, { do: 'start' }] });
    expect(plan(reboot, stopped(2))).toEqual({ steps: [{ do: 'start' }] });
    expect(plan(reboot, running(2))).toEqual({ settled: 'active' });
  });

  it('takes a machine as it is found when no action is pending', () => {
    const idle = { ...desired, acting: false, provisioned: true };
    expect(plan(idle, stopped())).toEqual({ settled: 'off' });
    expect(plan({ ...idle, power: 'off' }, running())).toEqual({ settled: 'active' });
  });

  it('does not silently make a lost machine anew', () => {
    const lost = { ...desired, provisioned: true };
    expect(plan({ ...lost, acting: false }, nothing)).toEqual({ settled: 'off' });
    expect(plan(lost, nothing)).toMatchObject({ failed: expect.stringContaining('gone'), settled: 'off' });
  });

  it('leaves nothing behind of a create that failed', () => {
    const failed = { ...desired, acting: false };
    expect(plan(failed, stopped())).toEqual({ steps: [{ do: 'delete' }] });
    expect(plan(failed, { instance: undefined, published: 'a' })).toEqual({ steps: [{ do: 'withdraw' }] });
    expect(plan(failed, nothing)).toEqual({ settled: 'off' });
  });

  it('waits while the engine is at work', () => {
    expect(plan(desired, { instance: { state: 'transitional', boot: 1 }, published: 'a' })).toHaveProperty(
      'wait',
    );
  });

  it('deletes the machine before its address is let go', () => {
    const deleted = { ...desired, deleted: true };
    expect(plan(deleted, running())).toEqual({ steps: [{ do: 'delete' }] });
    expect(plan(deleted, { instance: undefined, published: 'a' })).toEqual({ steps: [{ do: 'withdraw' }] });
    expect(plan(deleted, nothing)).toEqual({ settled: 'gone' });
  });

  it('reaches an end from every state within six rounds, whatever was done before', () => {
    fc.assert(
      fc.property(anyDesired, anyObserved, (wanted, start) => {
        let world = start;
        for (let round = 0; round < 6; round++) {
          const next = plan(wanted, world);
          if ('settled' in next) return;
          world = 'wait' in next ? settleTransition(world) : next.steps.reduce(act(wanted), world);
        }
        throw new Error(`no end: ${JSON.stringify({ wanted, start, world })}`);
      }),
    );
  });
});

const anyDesired = fc.record<Desired>({
  deleted: fc.boolean(),
  power: fc.constantFrom('on', 'off'),
  boot: fc.integer({ min: 1, max: 3 }),
  stop: fc.constantFrom('graceful', 'force'),
  acting: fc.boolean(),
  provisioned: fc.boolean(),
  entry: fc.constantFrom('a', 'b'),
});

const anyObserved = fc.record<Observed>({
  instance: fc.option(
    fc.record({
      state: fc.constantFrom('running' as const, 'stopped' as const, 'transitional' as const),
      boot: fc.integer({ min: 1, max: 3 }),
    }),
    { nil: undefined },
  ),
  published: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
});

const settleTransition = (world: Observed): Observed => ({
  ...world,
  instance: world.instance && { ...world.instance, state: 'stopped' },
});

/** What a step does to the world, by its port's contract. */
const act =
  (wanted: Desired) =>
  (world: Observed, step: { do: string }): Observed => {
    const { instance } = world;
    switch (step.do) {
      case 'publish':
        return { ...world, published: wanted.entry };
      case 'withdraw':
        return { ...world, published: undefined };
      case 'create':
        return { ...world, instance: instance ?? { state: 'running', boot: wanted.boot } };
      case 'start':
        return { ...world, instance: instance && { ...instance, state: 'running' } };
      case 'stop':
        return { ...world, instance: instance && { ...instance, state: 'stopped' } };
      case 'mark-boot':
        return { ...world, instance: instance && { ...instance, boot: wanted.boot } };
      case 'delete':
        return { ...world, instance: undefined };
      default:
        return world;
    }
  };
