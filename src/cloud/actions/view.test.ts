import { expect, test } from 'vitest';
import { actionView } from './view.ts';

const row = {
  id: 36800001,
  team_id: 'a6d1d5a5-5a52-4ba2-a3d7-6c2a8dd6f2ad',
  type: 'create',
  status: 'in-progress',
  resource_type: 'droplet',
  resource_id: '510000001',
  region: 'nyc3',
  started_at: new Date('2026-01-02T03:04:05.678Z'),
  completed_at: null,
  message: null,
  user_id: null,
  token_id: null,
};

test('an action that runs has no end', () => {
  expect(actionView(row)).toMatchObject({
    id: 36800001,
    status: 'in-progress',
    type: 'create',
    started_at: '2026-01-02T03:04:05Z',
    completed_at: null,
    resource_id: 510000001,
    resource_type: 'droplet',
    region: { slug: 'nyc3', name: 'New York 3' },
    region_slug: 'nyc3',
  });
});

test('one that errored says why', () => {
  const ended = {
    ...row,
    status: 'errored',
    completed_at: new Date('2026-01-02T03:04:09Z'),
    message: 'No room.',
  };
  expect(actionView(ended)).toMatchObject({ completed_at: '2026-01-02T03:04:09Z', message: 'No room.' });
});

test('a resource whose id is no number, and one without a region, have none', () => {
  const view = actionView({ ...row, resource_type: 'volume', resource_id: '7724db7c-e098', region: null });
  expect(view).toMatchObject({ resource_id: null, region_slug: null });
  expect(view).not.toHaveProperty('region');
});
