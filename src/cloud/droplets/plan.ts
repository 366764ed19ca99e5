/**
 * What to do next about a droplet: a pure function of its desired and its observed state.
 *
 * An action drives, observation rules otherwise: only while an action is pending does the plan change the machine.
 * Without one, a machine that was stopped behind our back (or from inside) is taken as it is found.
 */
import type { Plan } from '../../control/converge.ts';
import type { Instance, MachineSize } from '../../engine/compute/port.ts';

export interface Desired {
  deleted: boolean;
  power: 'on' | 'off';
  boot: number;
  /** Ask the operating system to stop, or pull the plug. */
  stop: 'graceful' | 'force';
  /** An action is pending. */
  acting: boolean;
  /** The generation of the disk; a rebuild or restore raises it. */
  root: number;
  /** The generation that was last seen in place; 0: the engine never made the machine. */
  rootDone: number;
  /** The pending action is what raised it: no other one replaces a disk. */
  replacing: boolean;
  size: MachineSize;
  /** The ids of the volumes that are to be attached to it. */
  volumes: string[];
  ipv6: boolean;
  /** A root password is to be mailed, and set unless the first boot does that. */
  password: boolean;
  /** The images that are to be taken of its disk. */
  snapshots: number[];
  /** Digest of the entry that the host must hold. */
  entry: string;
}

export interface Observed {
  instance: Pick<Instance, 'state' | 'boot' | 'root' | 'size' | 'volumes' | 'ipv6'> | undefined;
  /** Digest of the entry that the host holds. */
  published: string | undefined;
  /** The host holds one under this id that is not this droplet's: nothing may take its place. */
  anothers?: boolean;
}

export type Step =
  | { do: 'publish' }
  | { do: 'withdraw' }
  | { do: 'ensure-network' }
  | { do: 'create' }
  | { do: 'replace-disk' }
  | { do: 'resize' }
  | { do: 'attach'; volume: string }
  | { do: 'detach'; volume: string }
  | { do: 'add-ipv6' }
  | { do: 'set-password' }
  | { do: 'snapshot'; image: number }
  | { do: 'start' }
  | { do: 'stop'; mode: 'graceful' | 'force' }
  | { do: 'mark-boot' }
  | { do: 'delete' };

/**
 * `active`, `off`: what is wanted is there, or what is there is taken for wanted. `failed`: what is wanted cannot be had,
 * and the droplet is off; a text for a person.
 */
export type End = 'active' | 'off' | 'gone' | { failed: string };

type DropletPlan = Plan<Step, End>;

const lost =
  "The Droplet's machine is gone from the engine: it was deleted outside of Atoll. Destroy the Droplet and create it anew.";

export function plan(desired: Desired, observed: Observed): DropletPlan {
  if (desired.deleted) return planRemoval(observed);
  const { instance } = observed;
  if (!instance && desired.rootDone > 0) {
    return { settled: desired.acting ? { failed: lost } : 'off' };
  }
  if (desired.rootDone === 0 && !desired.acting) {
    // The create failed: nothing of it may stay behind.
    const left = planRemoval(observed);
    return 'settled' in left ? { settled: 'off' } : left;
  }
  const steps: Step[] = observed.published === desired.entry ? [] : [{ do: 'publish' }];
  if (!instance) return { steps: [...steps, { do: 'ensure-network' }, { do: 'create' }] };
  if (steps.length > 0) return { steps };
  if (instance.state === 'transitional') return { wait: 'the engine is working on the machine' };
  if (!desired.acting) return { settled: instance.state === 'running' ? 'active' : 'off' };
  // One of an older generation may have been brought back by the operator, or be that of a rebuild which has erred.
  if (desired.replacing && instance.root < desired.root) return { steps: [{ do: 'replace-disk' }] };
  const changes = planChanges(desired, instance);
  if (changes.length > 0) return { steps: changes };
  return desired.power === 'on' ? planOn(desired, instance) : planOff(desired, instance);
}

/** What is changed of a machine that runs or not, before its power is looked at. */
function planChanges(desired: Desired, instance: NonNullable<Observed['instance']>): Step[] {
  const steps: Step[] = [];
  const { size } = instance;
  if (
    size.vcpus !== desired.size.vcpus ||
    size.memoryMib !== desired.size.memoryMib ||
    size.diskGib < desired.size.diskGib
  ) {
    steps.push({ do: 'resize' });
  }
  for (const volume of instance.volumes) {
    if (!desired.volumes.includes(volume)) steps.push({ do: 'detach', volume });
  }
  for (const volume of desired.volumes) {
    if (!instance.volumes.includes(volume)) steps.push({ do: 'attach', volume });
  }
  if (desired.ipv6 && !instance.ipv6) steps.push({ do: 'add-ipv6' });
  for (const image of desired.snapshots) steps.push({ do: 'snapshot', image });
  return steps;
}

function planOn(desired: Desired, instance: Pick<Instance, 'state' | 'boot'>): DropletPlan {
  const due = instance.boot < desired.boot;
  if (instance.state === 'running') {
    if (due) return { steps: [{ do: 'stop', mode: desired.stop }] };
    return desired.password ? { steps: [{ do: 'set-password' }] } : { settled: 'active' };
  }
  return { steps: due ? [{ do: 'mark-boot' }, { do: 'start' }] : [{ do: 'start' }] };
}

function planOff(desired: Desired, instance: Pick<Instance, 'state'>): DropletPlan {
  return instance.state === 'running' ? { steps: [{ do: 'stop', mode: desired.stop }] } : { settled: 'off' };
}

/** The machine goes first: its addresses must not be free while it can still use them. */
function planRemoval(observed: Observed): DropletPlan {
  if (observed.instance) return { steps: [{ do: 'delete' }] };
  if (observed.published !== undefined) return { steps: [{ do: 'withdraw' }] };
  return { settled: 'gone' };
}
