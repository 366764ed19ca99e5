import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Desired, type Observed, plan, type Step } from './plan.ts';

const now = new Date('2026-12-01T12:00:00Z');
const desired: Desired = {
  deleted: false,
  power: 'on',
  boot: 1,
  size: { vcpus: 1, memoryMib: 1024, diskGib: 10 },
  made: false,
  failed: null,
  restart: 'always',
  restarts: 0,
  restartedAt: null,
  image: { ready: true },
  entry: 'a',
  generation: 1,
  appliedGeneration: 0,
  appliedBoot: 0,
  appliedRun: null,
};
const made: Desired = { ...desired, made: true, appliedGeneration: 1, appliedBoot: 1, appliedRun: 'a' };
const nothing: Observed = { instance: undefined, published: undefined };
const found = (state: 'running' | 'stopped' | 'transitional', boot = 1): Observed => ({
  instance: { state, boot, run: 'a', size: desired.size },
  published: 'a',
});

describe('the plan of a machine that serves a product', () => {
  it('makes it when its image is there, known to its host before it boots', () => {
    expect(plan(desired, nothing, now)).toEqual({
      steps: [{ do: 'publish' }, { do: 'ensure-network' }, { do: 'create' }],
    });
    expect(plan({ ...desired, entry: undefined }, nothing, now)).toEqual({
      steps: [{ do: 'ensure-network' }, { do: 'create' }],
    });
  });

  it('waits for its image with the reason', () => {
    const waiting = {
      ...desired,
      image: { waiting: 'the image edge is being built', patienceMs: 1_800_000 },
    };
    expect(plan(waiting, nothing, now)).toEqual({
      wait: 'the image edge is being built',
      patienceMs: 1_800_000,
    });
    expect(plan({ ...desired, image: { failed: 'no room' } }, nothing, now)).toEqual({
      settled: { failed: 'no room' },
    });
  });

  it('writes down that it is there before its program is run in it', () => {
    expect(plan(desired, found('running'), now)).toEqual({ steps: [{ do: 'note-made' }] });
    expect(plan({ ...desired, made: true }, found('running'), now)).toEqual({ steps: [{ do: 'converge' }] });
    expect(plan(made, found('running'), now)).toEqual({ settled: 'active' });
  });

  it('runs its program at each change, and after each boot', () => {
    expect(plan({ ...made, generation: 2 }, found('running'), now)).toEqual({ steps: [{ do: 'converge' }] });
    expect(plan({ ...made, boot: 2 }, found('running', 2), now)).toEqual({ steps: [{ do: 'converge' }] });
  });

  it('runs its program after a boot that nobody asked for: its guest’s, or its host’s', () => {
    expect(plan({ ...made, appliedRun: 'before' }, found('running'), now)).toEqual({
      steps: [{ do: 'converge' }],
    });
    expect(plan({ ...made, appliedRun: 'before' }, found('stopped'), now)).toEqual({
      steps: [{ do: 'count-restart' }],
    });
  });

  it('starts what a crash left stopped in the middle of its creation', () => {
    expect(plan({ ...desired, restart: 'never' }, found('stopped'), now)).toEqual({
      steps: [{ do: 'start' }],
    });
  });

  it('is never made anew once it was there', () => {
    expect(plan(made, nothing, now)).toEqual({ settled: 'lost' });
  });

  it('leaves nothing behind of what could not be made', () => {
    const failed = { ...desired, failed: 'no room' };
    expect(plan(failed, found('stopped'), now)).toEqual({ steps: [{ do: 'delete' }] });
    expect(plan(failed, { instance: undefined, published: 'a' }, now)).toEqual({
      steps: [{ do: 'withdraw' }],
    });
    expect(plan(failed, nothing, now)).toEqual({ settled: { failed: 'no room' } });
  });

  it('starts again what stops by itself, after pauses that grow to five minutes', () => {
    expect(plan(made, found('stopped'), now)).toEqual({ steps: [{ do: 'count-restart' }] });
    const after = (restarts: number) =>
      plan({ ...made, boot: 3, restarts, restartedAt: now }, found('stopped', 3), now);
    expect(after(1)).toEqual({ settled: { restartAt: new Date(now.getTime() + 2_000) } });
    expect(after(4)).toEqual({ settled: { restartAt: new Date(now.getTime() + 16_000) } });
    expect(after(60)).toEqual({ settled: { restartAt: new Date(now.getTime() + 300_000) } });
    expect(plan({ ...made, restart: 'never' }, found('stopped'), now)).toEqual({ settled: 'off' });
  });

  it('does not wait for a time that the clock has gone back from', () => {
    const restartedAt = new Date(now.getTime() + 365 * 24 * 3600_000);
    expect(plan({ ...made, restarts: 1, restartedAt }, found('stopped'), now)).toEqual({
      steps: [{ do: 'count-restart' }],
    });
  });

  it('is shut down and started for a new boot, and stays off where that is wanted', () => {
    const reboot = { ...made, boot: 2 };
    expect(plan(reboot, found('running'), now)).toEqual({ steps: [{ do: 'stop' }] });
    expect(plan(reboot, found('stopped'), now)).toEqual({ steps: [{ do: 'mark-boot' }, { do: 'start' }] });
    expect(plan({ ...made, power: 'off' }, found('running'), now)).toEqual({ steps: [{ do: 'stop' }] });
    expect(plan({ ...made, power: 'off' }, found('stopped'), now)).toEqual({ settled: 'off' });
  });

  it('is resized, but its disk never shrinks', () => {
    const larger = { ...made, size: { vcpus: 2, memoryMib: 1024, diskGib: 10 } };
    expect(plan(larger, found('running'), now)).toEqual({ steps: [{ do: 'resize' }] });
    const smaller = { ...made, size: { ...desired.size, diskGib: 5 } };
    expect(plan(smaller, found('running'), now)).toEqual({ settled: 'active' });
  });

  it('reaches an end from every state within ten rounds', () => {
    fc.assert(
      fc.property(anyDesired, anyObserved, (first, seen) => {
        let wanted = first;
        let observed = seen;
        for (let round = 0; round < 10; round++) {
          const next = plan(wanted, observed, now);
          if ('settled' in next || 'wait' in next) return;
          for (const step of next.steps) [wanted, observed] = taken(step, wanted, observed);
        }
        throw new Error(`no end: ${JSON.stringify([wanted, observed])}`);
      }),
      { numRuns: 2000 },
    );
  });
});

/** The state after a step. */
function taken(step: Step, wanted: Desired, observed: Observed): [Desired, Observed] {
  const { instance } = observed;
  const changed = (change: Partial<NonNullable<Observed['instance']>>): Observed => ({
    ...observed,
    instance: instance && { ...instance, ...change },
  });
  switch (step.do) {
    case 'publish':
      return [wanted, { ...observed, published: wanted.entry }];
    case 'withdraw':
      return [wanted, { ...observed, published: undefined }];
    case 'create':
      return [
        wanted,
        { ...observed, instance: { state: 'running', boot: wanted.boot, run: 'a', size: wanted.size } },
      ];
    case 'note-made':
      return [{ ...wanted, made: true }, observed];
    case 'resize':
      return [wanted, changed({ size: wanted.size })];
    case 'count-restart':
      return [
        { ...wanted, boot: wanted.boot + 1, restarts: wanted.restarts + 1, restartedAt: now },
        observed,
      ];
    case 'mark-boot':
      return [wanted, changed({ boot: wanted.boot })];
    case 'start':
      return [wanted, changed({ state: 'running', run: 'b' })];
    case 'stop':
      return [wanted, changed({ state: 'stopped' })];
    case 'converge':
      return [
        {
          ...wanted,
          appliedGeneration: wanted.generation,
          appliedBoot: wanted.boot,
          appliedRun: instance?.run ?? null,
        },
        observed,
      ];
    case 'delete':
      return [wanted, { ...observed, instance: undefined }];
    case 'ensure-network':
      return [wanted, observed];
  }
}

const small = fc.integer({ min: 1, max: 3 });
const anySize = fc.record({ vcpus: small, memoryMib: small, diskGib: small });
const anyDesired = fc.record<Desired>({
  deleted: fc.boolean(),
  power: fc.constantFrom('on', 'off'),
  boot: small,
  size: anySize,
  made: fc.boolean(),
  failed: fc.option(fc.constant('no room')),
  restart: fc.constantFrom('always', 'never'),
  restarts: small,
  restartedAt: fc.option(fc.constantFrom(now, new Date(0))),
  image: fc.constantFrom<Desired['image']>({ ready: true }, { waiting: 'x', patienceMs: 1 }, { failed: 'y' }),
  entry: fc.constantFrom('a', undefined),
  generation: small,
  appliedGeneration: fc.integer({ min: 0, max: 3 }),
  appliedBoot: fc.integer({ min: 0, max: 3 }),
  appliedRun: fc.constantFrom('a', 'b', null),
});
const anyObserved = fc.record<Observed>({
  instance: fc.option(
    fc.record({
      state: fc.constantFrom<'running' | 'stopped' | 'transitional'>('running', 'stopped', 'transitional'),
      boot: small,
      run: fc.constantFrom('a', 'b'),
      size: anySize,
    }),
    { nil: undefined },
  ),
  published: fc.constantFrom('a', 'b', undefined),
});
