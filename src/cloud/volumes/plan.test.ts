import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ObservedVolume, planVolume } from './plan.ts';
import { type ObservedSnapshot, planSnapshot } from './snapshot-plan.ts';

const volume = { id: 'v', size_gib: 10, deleted_at: null, held: false, droplet_id: null };
const deleted = { ...volume, deleted_at: new Date() };

describe('the plan of a volume', () => {
  it('has the host look for its bytes once, and again where it has grown meanwhile', () => {
    expect(planVolume(volume, {})).toEqual({ steps: [{ do: 'ensure' }] });
    expect(planVolume(volume, { ensuredGib: 10 })).toEqual({ settled: 'there' });
    expect(planVolume({ ...volume, size_gib: 20 }, { ensuredGib: 10 })).toEqual({
      steps: [{ do: 'ensure' }],
    });
  });

  it('makes nothing in the place of bytes that are missing', () => {
    expect(planVolume(volume, { missing: true })).toEqual({ settled: 'missing' });
  });

  it('deletes bytes only when no machine may have them and no snapshot is to be taken of them', () => {
    const held = { ...deleted, held: true, droplet_id: 7 };
    expect(planVolume(held, {})).toEqual({ wait: expect.stringContaining('droplet 7') });
    expect(planVolume(deleted, { stranger: 'droplet-5-x' })).toEqual({
      wait: expect.stringContaining('droplet-5-x'),
    });
    expect(planVolume(deleted, { owesSnapshot: true })).toEqual({ settled: 'owed' });
    expect(planVolume(deleted, {})).toEqual({ steps: [{ do: 'delete' }] });
    expect(planVolume(deleted, { deleted: true })).toEqual({ settled: 'gone' });
  });

  it('never ensures what is deleted and never deletes what is not', () => {
    const anyObserved = fc.record<ObservedVolume>({
      stranger: fc.constantFrom(undefined, 'm'),
      owesSnapshot: fc.boolean(),
      missing: fc.boolean(),
      deleted: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.constantFrom(volume, deleted), anyObserved, (row, observed) => {
        const next = planVolume(row, observed);
        const steps = 'steps' in next ? next.steps.map((step) => step.do) : [];
        expect(steps).not.toContain(row.deleted_at ? 'ensure' : 'delete');
      }),
    );
  });
});

const snapshot = { id: 's', deleted_at: null, status: 'pending' };

describe('the plan of a snapshot', () => {
  it('takes one that is pending, and never another', () => {
    expect(planSnapshot(snapshot, {})).toEqual({ steps: [{ do: 'take' }] });
    expect(planSnapshot(snapshot, { taken: 5 })).toEqual({ settled: 'taken' });
    const available = { ...snapshot, status: 'available' };
    expect(planSnapshot(available, {})).toEqual({ steps: [{ do: 'look' }] });
    expect(planSnapshot(available, { found: 'missing' })).toEqual({ settled: 'missing' });
  });

  it('keeps one that is deleted while a volume is to be made from it, and takes it for that', () => {
    const gone = { ...snapshot, deleted_at: new Date() };
    expect(planSnapshot(gone, { wanting: 'v' })).toEqual({ steps: [{ do: 'take' }] });
    expect(planSnapshot({ ...gone, status: 'available' }, { wanting: 'v' })).toMatchObject({
      wait: expect.stringContaining('volume v'),
    });
    expect(planSnapshot(gone, {})).toEqual({ steps: [{ do: 'delete' }] });
    expect(planSnapshot(gone, { deleted: true })).toEqual({ settled: 'gone' });
  });

  it('never takes one whose status says that it was taken', () => {
    const anyObserved = fc.record<ObservedSnapshot>({
      wanting: fc.constantFrom(undefined, 'v'),
      deleted: fc.boolean(),
    });
    const anyRow = fc.record({
      id: fc.constant('s'),
      deleted_at: fc.constantFrom(null, new Date()),
      status: fc.constantFrom('available', 'error'),
    });
    fc.assert(
      fc.property(anyRow, anyObserved, (row, observed) => {
        const next = planSnapshot(row, observed);
        expect('steps' in next ? next.steps : []).not.toContainEqual({ do: 'take' });
      }),
    );
  });
});
