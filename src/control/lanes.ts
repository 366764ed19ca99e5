/** Which resources a loop has room for: quick work never waits behind slow work. */
import type { Claim, Lane, Room } from './claims.ts';
import type { Reconciler } from './run.ts';

/** How many runs a process may have at once in each lane. */
export type Slots = Record<Lane, number>;

/** A run that takes a slot. */
export interface Occupant {
  kind: string;
  lane: Lane;
}

type Known = ReadonlyMap<string, Pick<Reconciler, 'kind' | 'lane' | 'most' | 'mostSlow'>>;

const countOf = (occupants: readonly Occupant[], wanted: Partial<Occupant>): number =>
  occupants.filter(({ kind, lane }) => kind === (wanted.kind ?? kind) && lane === (wanted.lane ?? lane))
    .length;

/** The lane in which a claim's run begins. */
export const laneOf = (reconcilers: Known, { kind, lane }: Pick<Claim, 'kind' | 'lane'>): Lane =>
  lane === 'slow' || reconcilers.get(kind)?.lane === 'slow' ? 'slow' : 'quick';

/** Whether another run of this kind may begin in a lane, or move to it. */
export function hasRoom(
  reconcilers: Known,
  occupants: readonly Occupant[],
  slots: Slots,
  { kind, lane }: Occupant,
): boolean {
  const known = reconcilers.get(kind);
  if (!known || countOf(occupants, { lane }) >= slots[lane]) return false;
  return !isFullIn(reconcilers, occupants, { kind, lane });
}

/** Whether a kind has all the runs that it may have at once in a lane, whatever slots there are. */
const isFullIn = (reconcilers: Known, occupants: readonly Occupant[], { kind, lane }: Occupant): boolean =>
  lane === 'slow' && countOf(occupants, { kind, lane }) >= (reconcilers.get(kind)?.mostSlow ?? Infinity);

/** Whether a kind has all the runs that it may have at once. */
export const isFull = (reconcilers: Known, occupants: readonly Occupant[], kind: string): boolean =>
  countOf(occupants, { kind }) >= (reconcilers.get(kind)?.most ?? Infinity);

/** Whether a claim is one too many of its kind: what is claimed at once is limited by slots and not by kind. */
export const isSurplus = (
  reconcilers: Known,
  occupants: readonly Occupant[],
  claim: Pick<Claim, 'kind' | 'lane'>,
): boolean =>
  isFull(reconcilers, occupants, claim.kind) ||
  isFullIn(reconcilers, occupants, { kind: claim.kind, lane: laneOf(reconcilers, claim) });

/** What to claim beside what runs. */
export function roomFor(
  reconcilers: Known,
  occupants: readonly Occupant[],
  slots: Slots,
): Omit<Room, 'except'> {
  const open = [...reconcilers.values()].filter(({ kind }) => !isFull(reconcilers, occupants, kind));
  const kindsWith = (lane: Lane, own: Lane) =>
    open
      .filter(
        (each) => each.lane === own && hasRoom(reconcilers, occupants, slots, { kind: each.kind, lane }),
      )
      .map(({ kind }) => kind);
  const freeIn = (lane: Lane, kinds: string[]) =>
    kinds.length === 0 ? 0 : slots[lane] - countOf(occupants, { lane });
  const quick = kindsWith('quick', 'quick');
  const slow = kindsWith('slow', 'slow');
  const given = kindsWith('slow', 'quick');
  return {
    quick: { kinds: quick, slots: freeIn('quick', quick) },
    slow: { kinds: slow, given, slots: freeIn('slow', [...slow, ...given]) },
    known: [...reconcilers.keys()],
  };
}
