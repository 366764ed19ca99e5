/** What a machine prints keeps no action from its end. */
import { afterEach, expect, it } from 'vitest';
import { EngineError } from '../../src/base/engine-error.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';

let atoll: TestAtoll;
afterEach(() => atoll.close());

it('an action errs though the machine has printed NUL characters', async () => {
  atoll = await startAtoll({
    wrap: {
      compute: (compute: Compute) => ({
        ...compute,
        resize: () => Promise.reject(new EngineError('rejected', 'no')),
        console: async () => 'before\0after',
      }),
    },
  });
  const { id } = await createDroplet(atoll.api, { size: 's-1vcpu-1gb' });
  const act = async (body: object) => {
    const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
    return (await ended(atoll.api, action.id)).status;
  };
  expect(await act({ type: 'power_off' })).toBe('completed');
  expect(await act({ type: 'resize', size: 's-2vcpu-4gb' })).toBe('errored');
  const [row] = await atoll.database.store.db
    .selectFrom('droplets')
    .select('console')
    .where('id', '=', id)
    .execute();
  expect(row?.console).toBe('beforeafter');
});
