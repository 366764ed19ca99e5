/** What to do next about a droplet that is destroyed together with what belongs to it: pure. */
import type { Plan } from '../../control/converge.ts';
import { patienceMs } from '../../control/waits.ts';
import type { Destroyed, Destruction } from './record.ts';

export interface ObservedDestruction {
  /** How it went in this run, by the place in the list of resources. */
  outcomes: Readonly<Record<number, Destroyed>>;
}

export interface DestroyStep {
  do: 'destroy';
  index: number;
  resource: Destroyed;
}

/** Its volumes are attached to its machine until that is gone. */
export function planDestruction(
  { droplet, resources, dropletDestroyedAt }: Destruction & { dropletDestroyedAt: Date | null },
  { outcomes }: ObservedDestruction,
): Plan<DestroyStep, 'ended'> {
  if (!dropletDestroyedAt)
    return {
      wait: `the machine of droplet ${droplet.id} is being destroyed`,
      // An engine that is away may be for so long.
      patienceMs: patienceMs.unavailable,
    };
  const steps = resources.flatMap((resource, index) =>
    resource.destroyed_at || resource.error_message || outcomes[index]
      ? []
      : [{ do: 'destroy' as const, index, resource }],
  );
  return steps.length > 0 ? { steps } : { settled: 'ended' };
}
