import { expect, it } from 'vitest';
import { planAddress } from './plan.ts';

const held = { released: false, version: 3 };

it('puts an address in force once in a run, and again where its row has changed', () => {
  expect(planAddress(held, {})).toEqual({ steps: [{ do: 'publish' }] });
  expect(planAddress(held, { published: 3 })).toEqual({ settled: 'in force' });
  expect(planAddress({ ...held, version: 4 }, { published: 3 })).toEqual({ steps: [{ do: 'publish' }] });
});

it('takes one that is released out of force before it is gone, whatever was published before', () => {
  const released = { ...held, released: true };
  expect(planAddress(released, { published: 3 })).toEqual({ steps: [{ do: 'withdraw' }] });
  expect(planAddress(released, { withdrawn: 3 })).toEqual({ settled: 'gone' });
});
