/** The runs of this process: what they hold, whether they hold it still, and which slots they take. */
import type { Claim, Ending, Lane } from './claims.ts';
import { hasRoom, laneOf, type Occupant, type Slots } from './lanes.ts';
import { ClaimLost, GivenBack, type Reconciler } from './run.ts';

/** A claim of ours, from the moment we hear of it until it has been given back or its run is over. */
export interface Held {
  claim: Claim;
  lane: Lane;
  begun: Date;
  /** Aborted with ClaimLost when the claim is somebody else's. */
  lost: AbortController;
  /** The resource was nudged since the run last observed it. */
  outdated: boolean;
  /** The run is over; this is still to be written. */
  ending?: Ending;
  /** How often writing it has failed, and when to try again (performance.now()). */
  tries: number;
  retryAt: number;
}

export interface Runs {
  begin(claim: Claim, now: Date): Held;
  get(kind: string, id: string): Held | undefined;
  all(): Held[];
  /** Those that take a slot: the reconciler is at work. */
  working(): Held[];
  /** Those whose end is to be written. */
  ending(): Held[];
  /** Lost claims whose runs are not over: nobody here may claim these resources. */
  lost(): Held[];
  /** The run is over. Its end is to be written, unless its claim was lost. */
  over(held: Held, ending: Ending): void;
  /** Nothing is left of it. */
  remove(held: Held): void;
  /** Another loop may have the resource, from now on. */
  lose(held: Held, why: string): void;
  /** @throws GivenBack where the slow lane is full */
  moveToSlow(held: Held): void;
}

export const keyOf = ({ kind, id }: { kind: string; id: string }): string => `${kind} ${id}`;

export function runsOf(reconcilers: ReadonlyMap<string, Reconciler>, slots: Slots): Runs {
  const held = new Map<string, Held>();
  const all = () => [...held.values()];
  const working = () => all().filter((each) => !each.ending);
  const remove = (each: Held) => {
    const key = keyOf(each.claim);
    if (held.get(key) === each) held.delete(key);
  };
  return {
    begin(claim, now) {
      const each: Held = {
        claim,
        lane: laneOf(reconcilers, claim),
        begun: now,
        lost: new AbortController(),
        outdated: false,
        tries: 0,
        retryAt: 0,
      };
      held.set(keyOf(claim), each);
      return each;
    },
    get: (kind, id) => held.get(keyOf({ kind, id })),
    all,
    working,
    ending: () => all().filter((each) => each.ending),
    lost: () => all().filter((each) => each.lost.signal.aborted),
    over(each, ending) {
      if (each.lost.signal.aborted) remove(each);
      else each.ending = ending;
    },
    remove,
    lose(each, why) {
      if (each.lost.signal.aborted) return;
      each.lost.abort(new ClaimLost(`the claim of ${keyOf(each.claim)} was lost: ${why}`));
      if (each.ending) remove(each);
    },
    moveToSlow(each) {
      if (each.lane === 'slow') return;
      const others: Occupant[] = working().map(({ claim: { kind }, lane }) => ({ kind, lane }));
      if (!hasRoom(reconcilers, others, slots, { kind: each.claim.kind, lane: 'slow' }))
        throw new GivenBack('the slow lane is full');
      each.lane = 'slow';
    },
  };
}
