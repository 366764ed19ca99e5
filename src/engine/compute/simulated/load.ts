import type { Clock } from '../../../base/clock.ts';
import type { MachineSize, Usage } from '../port.ts';

/** How much of what it has a simulated machine uses, each from 0 to 1. */
export interface Load {
  cpu: number;
  memory: number;
}

const idle: Load = { cpu: 0.01, memory: 0.2 };

/** The load of simulated machines; it is not kept over a restart. */
export interface Loads {
  /** From now on the machine uses this much. */
  set(name: string, load: Load): void;
  /** The machine starts: its CPU time begins anew, its load stays what it was set to. */
  restart(name: string): void;
  usage(name: string, size: MachineSize): Usage;
}

export function loads(clock: Clock): Loads {
  /** `used`: the share of one CPU's time used until `since`, in s. */
  const entries = new Map<string, { load: Load; used: number; since: number }>();
  const now = () => clock.now().getTime() / 1000;
  const entry = (name: string) => entries.get(name) ?? { load: idle, used: 0, since: now() };
  const usedUntilNow = ({ load, used, since }: ReturnType<typeof entry>) => used + load.cpu * (now() - since);

  return {
    set(name, load) {
      entries.set(name, { load, used: usedUntilNow(entry(name)), since: now() });
    },
    restart(name) {
      entries.set(name, { load: entry(name).load, used: 0, since: now() });
    },
    usage(name, size) {
      const one = entry(name);
      entries.set(name, one);
      const memoryLimitBytes = size.memoryMib * 2 ** 20;
      return {
        cpuSeconds: usedUntilNow(one) * size.vcpus,
        memoryBytes: Math.round(one.load.memory * memoryLimitBytes),
        memoryLimitBytes,
      };
    },
  };
}
