import { expect, it } from 'vitest';
import { planDestruction } from './plan.ts';

const volume = { kind: 'volumes' as const, id: 'v', name: 'v' };
const destruction = {
  caller: { teamId: 't', userId: 'u', tokenId: 'k', scopes: [] },
  requestId: 'r',
  droplet: { id: '5', name: 'd' },
  resources: [volume, { ...volume, id: 'w', destroyed_at: '2026-01-01T00:00:00Z' }],
  dropletDestroyedAt: new Date(),
};

it('waits for the machine, then destroys what is not destroyed yet, once in a run', () => {
  expect(planDestruction({ ...destruction, dropletDestroyedAt: null }, { outcomes: {} })).toMatchObject({
    wait: expect.stringContaining('droplet 5'),
  });
  expect(planDestruction(destruction, { outcomes: {} })).toEqual({
    steps: [{ do: 'destroy', index: 0, resource: volume }],
  });
  const failed = { ...volume, error_message: 'attached' };
  expect(planDestruction(destruction, { outcomes: { 0: failed } })).toEqual({ settled: 'ended' });
});
