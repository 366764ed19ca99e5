import { describe, expect, it } from 'vitest';
import type { Lane } from './claims.ts';
import { hasRoom, isFull, roomFor } from './lanes.ts';

interface Kind {
  kind: string;
  lane: Lane;
  most?: number;
  mostSlow?: number;
}
const kinds = new Map<string, Kind>([
  ['droplet', { kind: 'droplet', lane: 'quick' }],
  ['image', { kind: 'image', lane: 'quick', mostSlow: 1 }],
  ['database', { kind: 'database', lane: 'slow', most: 2 }],
]);
const slots = { quick: 2, slow: 3 };
const quick = (kind: string) => ({ kind, lane: 'quick' as const });
const slow = (kind: string) => ({ kind, lane: 'slow' as const });

describe('room for claims', () => {
  it('is all there is where nothing runs', () => {
    expect(roomFor(kinds, [], slots)).toEqual({
      quick: { kinds: ['droplet', 'image'], slots: 2 },
      slow: { kinds: ['database'], given: ['droplet', 'image'], slots: 3 },
      known: ['droplet', 'image', 'database'],
    });
  });

  it('is there for quick work however much slow work runs', () => {
    const room = roomFor(kinds, [slow('droplet'), slow('droplet'), slow('droplet')], slots);
    expect(room.quick.slots).toBe(2);
    expect(room.slow.slots).toBe(0);
  });

  it('is not there for kinds that have as many runs as they may', () => {
    const room = roomFor(kinds, [slow('image'), slow('database'), slow('database')], { ...slots, slow: 9 });
    expect(room.slow).toEqual({ kinds: [], given: ['droplet'], slots: 6 });
    expect(room.quick.kinds).toEqual(['droplet', 'image']);
  });

  it('counts a kind in all lanes for its most, and in the slow one for that', () => {
    expect(isFull(kinds, [slow('database'), slow('database')], 'database')).toBe(true);
    expect(isFull(kinds, [slow('database')], 'database')).toBe(false);
    expect(hasRoom(kinds, [slow('image')], slots, slow('image'))).toBe(false);
    expect(hasRoom(kinds, [quick('image')], slots, slow('image'))).toBe(true);
    expect(hasRoom(kinds, [], slots, quick('of a newer Atoll'))).toBe(false);
  });
});
