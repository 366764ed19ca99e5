/**
 * Machines that an older version made, or this one under another configuration. What differs is written into their config
 * at once, since Incus also starts machines without us (the host comes up again, a guest reboots itself), and takes effect
 * at their next start.
 */
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute } from '../port.ts';
import type { IncusContext } from './context.ts';
import {
  type IncusInstance,
  instancePath,
  isUnborn,
  runOf,
  update,
  withoutReplacements,
} from './instances.ts';
import { type Placement, portName, renewedKey, replacesKey, startConfig, urnKey } from './spec.ts';

/** The settings that are not as they are written today. */
function differing(
  { config }: IncusInstance,
  placement: Placement,
): { settings: string[]; wanted: Record<string, string> } {
  const wanted = startConfig(config, placement);
  return { settings: Object.keys(wanted).filter((key) => config[key] !== wanted[key]), wanted };
}

/** What was changed since the machine was started. */
function changedInThisRun(machine: IncusInstance): string[] {
  const [run, ...settings] = (machine.config[renewedKey] ?? '').split(' ');
  return run === runOf(machine) ? settings : [];
}

/** Writes what differs, and with a machine that runs, that it runs without it. */
export async function renewMachine(
  { client, placement }: Pick<IncusContext, 'client' | 'placement'>,
  machine: IncusInstance,
): Promise<void> {
  const { settings, wanted } = differing(machine, await placement());
  if (settings.length === 0) return;
  const waiting = new Set([...changedInThisRun(machine), ...settings]);
  const mark = machine.status === 'Stopped' ? '' : [runOf(machine), ...waiting].join(' ');
  await update(client, 'PATCH', instancePath(machine.name), { config: { ...wanted, [renewedKey]: mark } });
}

export function renewal(context: IncusContext): Pick<Compute, 'renew' | 'outdated'> {
  async function ours(): Promise<IncusInstance[]> {
    const all = await context.client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1');
    // A change of one that is being made would spoil it; what is to replace another is furnished when it does.
    return withoutReplacements(all).filter(
      (each) => each.config[urnKey] && !each.config[replacesKey] && !isUnborn(each),
    );
  }

  return {
    async renew() {
      for (const machine of await ours()) {
        try {
          await renewMachine(context, machine);
        } catch (error) {
          // One that is being changed, or whose config Incus refuses to write now: `outdated` goes on to name it.
          if (!(error instanceof EngineError) || error.kind === 'unavailable') throw error;
        }
      }
    },
    async outdated() {
      const placement = await context.placement();
      return (await ours()).flatMap((machine) => {
        if (machine.status === 'Stopped') return [];
        const settings = new Set([...changedInThisRun(machine), ...differing(machine, placement).settings]);
        const urn = machine.config[urnKey] ?? '';
        return settings.size > 0
          ? [{ urn, name: portName(machine.name), settings: [...settings].sort() }]
          : [];
      });
    },
  };
}
