import { expect, it } from 'vitest';
import { planImage } from './plan.ts';

const custom = { deleted_at: null, status: 'NEW', type: 'custom', url: 'http://h/i' };
const imported = { bytes: 1, minDiskGib: 1 };

it('imports an image once', () => {
  expect(planImage(custom, {})).toEqual({ steps: [{ do: 'import', url: 'http://h/i' }] });
  expect(planImage({ ...custom, status: 'pending' }, { imported })).toEqual({ settled: 'imported' });
  expect(planImage({ ...custom, status: 'error' }, {})).toEqual({ settled: 'not ours' });
});

it('says of one that is available whether it is there, and imports it no more', () => {
  const available = { ...custom, status: 'available' };
  expect(planImage(available, { held: true })).toEqual({ settled: 'held' });
  expect(planImage(available, { held: false })).toEqual({ settled: 'missing' });
});

it('leaves a snapshot that is being taken to its droplet', () => {
  const pending = { deleted_at: null, status: 'pending', type: 'snapshot', url: null };
  expect(planImage(pending, {})).toEqual({ settled: 'not ours' });
});

it('deletes what is deleted, also where it was imported just now', () => {
  const deleted = { ...custom, deleted_at: new Date() };
  expect(planImage(deleted, { imported })).toEqual({ steps: [{ do: 'delete' }] });
  expect(planImage(deleted, { deleted: true })).toEqual({ settled: 'gone' });
});
