import { expect, it } from 'vitest';
import { drivenClock } from '../base/clock.ts';
import { EngineError } from '../base/engine-error.ts';
import { silentLog } from '../base/log.ts';
import { changed, converge, type Parts } from './converge.ts';
import { Interrupted, type Run } from './run.ts';

interface Seen {
  made?: number;
}

/** A thing that is made in one step; `row`: the size that is wanted of it, read anew in each round. */
function thing(parts: Partial<Parts<number, Seen, 'make', 'there'>> = {}) {
  return converge<number, Seen, 'make', 'there'>(
    { clock: drivenClock(), log: silentLog },
    {
      kind: 'thing',
      lane: 'quick',
      row: async () => 1,
      observe: async () => ({}),
      plan: (row, { made }) => (made === row ? { settled: 'there' } : { steps: ['make'] }),
      take: async (_, row) => ({ made: row }),
      settle: async () => ({}),
      ...parts,
    },
  );
}

function run(signal = new AbortController().signal): Run {
  return { attempts: 0, overdue: () => false, signal, observing() {}, slow() {} };
}

const refusal = new EngineError('rejected', 'no');
const refusing = {
  why: (error: unknown) => (error === refusal ? 'refused' : undefined),
  take: async () => {
    throw refusal;
  },
};

it('decides anew where the row changed under the last round', async () => {
  const sizes = [1, 2, 2];
  const made: number[] = [];
  await thing({
    row: async () => sizes.shift() ?? 2,
    async take(_, row) {
      made.push(row);
      return { made: row };
    },
  }).reconcile('a', run());
  expect(made).toEqual([1, 2]);
  let settled = 0;
  await thing({ settle: async () => (settled++ === 0 ? changed : undefined) }).reconcile('a', run());
  expect(settled).toBe(2);
});

it('goes on with what is wanted after something was given up, and tries the rest again', async () => {
  let wanted = 2;
  const given: string[] = [];
  await thing({
    ...refusing,
    row: async () => wanted,
    observe: async () => ({ made: 1 }),
    async giveUp(_, reason) {
      given.push(reason);
      wanted = 1;
      return true;
    },
  }).reconcile('a', run());
  expect(given).toEqual(['refused']);
  await expect(thing({ ...refusing, giveUp: async () => false }).reconcile('a', run())).rejects.toBe(refusal);
});

it('gives nothing up because it cannot be written down', async () => {
  let gaveUp = false;
  const failing = thing({
    why: () => 'anything',
    settle: async () => {
      throw new Error('the database is away');
    },
    giveUp: async () => (gaveUp = true),
  });
  await expect(failing.reconcile('a', run())).rejects.toThrow('the database is away');
  expect(gaveUp).toBe(false);
});

it('says that it was interrupted where its process stops, and not that it waits', async () => {
  const stopping = new AbortController();
  const stopped = thing({
    async take(_, row) {
      stopping.abort();
      return { made: row };
    },
  });
  // A wait would be counted from now on: whatever is busy when the process is back would be given up at once.
  await expect(stopped.reconcile('a', run(stopping.signal))).rejects.toBeInstanceOf(Interrupted);
});

it('ends what does not settle', async () => {
  await expect(thing({ take: async () => {} }).reconcile('a', run())).rejects.toMatchObject({ kind: 'busy' });
});
