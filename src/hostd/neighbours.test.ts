import { expect, it } from 'vitest';
import { difference } from './neighbours.ts';

it('changes only what differs', () => {
  const held = new Map([
    ['10.0.0.2', 'aa'],
    ['10.0.0.3', 'bb'],
    ['10.0.0.4', 'cc'],
  ]);
  const wanted = new Map([
    ['10.0.0.2', 'aa'],
    ['10.0.0.3', 'xx'],
    ['10.0.0.5', 'dd'],
  ]);
  expect(difference(held, wanted)).toEqual(
    new Map([
      ['10.0.0.4', undefined],
      ['10.0.0.3', 'xx'],
      ['10.0.0.5', 'dd'],
    ]),
  );
  expect(difference(wanted, wanted).size).toBe(0);
});
