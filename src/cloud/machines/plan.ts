/**
 * What to do next about a machine that serves a product: a pure function of its desired and its observed state. Unlike a
 * droplet it has no will of its own: it is what its product wants, always, and what stops by itself is started again.
 */
import type { Plan } from '../../control/converge.ts';
import type { Instance, MachineSize } from '../../engine/compute/port.ts';

export interface Desired {
  deleted: boolean;
  power: 'on' | 'off';
  boot: number;
  size: MachineSize;
  /** It was seen in place once: its disk holds something that cannot be made anew. */
  made: boolean;
  /** Why it could not be made. */
  failed: string | null;
  restart: 'always' | 'never';
  restarts: number;
  restartedAt: Date | null;
  /** What its disk is copied from: there, still being made, or not to be had. */
  image: { ready: true } | { waiting: string; patienceMs: number } | { failed: string };
  /** Digest of the entry that the host must hold; undefined: it is on no public network. */
  entry: string | undefined;
  /** What is desired of its program, and what it has answered to, in which boot. */
  generation: number;
  appliedGeneration: number;
  appliedBoot: number;
  /** The engine's word for the run in which it was; null: it never was, or must be told anew. */
  appliedRun: string | null;
}

export interface Observed {
  instance: Pick<Instance, 'state' | 'boot' | 'run' | 'size'> | undefined;
  /** Digest of the entry that the host holds. */
  published: string | undefined;
}

export type Step =
  | { do: 'publish' }
  | { do: 'withdraw' }
  | { do: 'ensure-network' }
  | { do: 'create' }
  | { do: 'resize' }
  | { do: 'note-made' }
  | { do: 'count-restart' }
  | { do: 'mark-boot' }
  | { do: 'start' }
  | { do: 'stop' }
  | { do: 'converge' }
  | { do: 'delete' };

/**
 * `lost`: its machine is gone from the engine. `restartAt`: it has stopped by itself, and is started again then.
 * `failed`: it could not be made, and nothing of it is left.
 */
export type End = 'active' | 'off' | 'gone' | 'lost' | { failed: string } | { restartAt: Date };

export type MachinePlan = Plan<Step, End>;

/** The pause before it is started again, ms: doubled each time. */
const firstPauseMs = 1_000;
const longestPauseMs = 300_000;
/** What has run for this long is no longer one of a row of failures, ms. */
export const steadyMs = 600_000;

export function plan(desired: Desired, observed: Observed, now: Date): MachinePlan {
  const { instance } = observed;
  if (desired.deleted) return planRemoval(observed);
  if (!instance && desired.made) return { settled: 'lost' };
  if (!desired.made && desired.failed !== null) {
    const left = planRemoval(observed);
    return 'settled' in left ? { settled: { failed: desired.failed } } : left;
  }
  const publish: Step[] =
    desired.entry !== undefined && observed.published !== desired.entry ? [{ do: 'publish' }] : [];
  if (!instance) return planCreation(desired, publish);
  if (publish.length > 0) return { steps: publish };
  if (instance.state === 'transitional') return { wait: 'the engine is working on the machine' };
  if (differs(desired.size, instance.size)) return { steps: [{ do: 'resize' }] };
  if (desired.power === 'off')
    return instance.state === 'running' ? { steps: [{ do: 'stop' }] } : { settled: 'off' };
  return instance.state === 'running' ? planRunning(desired, instance) : planStopped(desired, instance, now);
}

function planCreation({ image }: Desired, publish: Step[]): MachinePlan {
  if ('failed' in image) return { settled: { failed: image.failed } };
  if ('waiting' in image) return { wait: image.waiting, patienceMs: image.patienceMs };
  return { steps: [...publish, { do: 'ensure-network' }, { do: 'create' }] };
}

function planRunning(desired: Desired, instance: Pick<Instance, 'boot' | 'run'>): MachinePlan {
  // Before anything is done in it that could be lost.
  if (!desired.made) return { steps: [{ do: 'note-made' }] };
  if (instance.boot < desired.boot) return { steps: [{ do: 'stop' }] };
  // A boot that nobody asked for, too: a machine starts nothing by itself that its product does not want.
  const isTold = desired.appliedBoot >= desired.boot && desired.appliedRun === instance.run;
  if (desired.generation > desired.appliedGeneration || !isTold) return { steps: [{ do: 'converge' }] };
  return { settled: 'active' };
}

function planStopped(desired: Desired, instance: Pick<Instance, 'boot'>, now: Date): MachinePlan {
  // Its creation has died in between: it is started, or found to be half-made and made anew.
  if (!desired.made) return { steps: [{ do: 'start' }] };
  if (instance.boot < desired.boot) return { steps: [{ do: 'mark-boot' }, { do: 'start' }] };
  if (desired.restart === 'never') return { settled: 'off' };
  const at = restartAt(desired, now);
  return at > now ? { settled: { restartAt: at } } : { steps: [{ do: 'count-restart' }] };
}

/** When a machine that has stopped by itself is started again: at once where the clock has gone back meanwhile. */
function restartAt({ restarts, restartedAt }: Pick<Desired, 'restarts' | 'restartedAt'>, now: Date): Date {
  if (!restartedAt || restartedAt > now) return new Date(0);
  return new Date(
    restartedAt.getTime() + Math.min(firstPauseMs * 2 ** Math.min(restarts, 20), longestPauseMs),
  );
}

/** The machine goes first: its addresses must not be free while it can still use them. */
function planRemoval(observed: Observed): MachinePlan {
  if (observed.instance) return { steps: [{ do: 'delete' }] };
  if (observed.published !== undefined) return { steps: [{ do: 'withdraw' }] };
  return { settled: 'gone' };
}

const differs = (wanted: MachineSize, there: MachineSize): boolean =>
  wanted.vcpus !== there.vcpus || wanted.memoryMib !== there.memoryMib || wanted.diskGib > there.diskGib;
