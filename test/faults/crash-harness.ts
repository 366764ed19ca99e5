/**
 * Kills the control plane right after its n-th engine call, for every n, starts another over the same world, and
 * compares what it ends in with the world of an undisturbed run.
 */
import type { Compute } from '../../src/engine/compute/port.ts';
import type { Host } from '../../src/engine/host/port.ts';
import type { TestAtollOptions } from '../support/atoll.ts';

/** Not steps towards anything: they are let through, and never counted. */
const passive = new Set(['watch', 'close']);
const never = new Promise<never>(() => {});

export interface CrashPoint {
  /** For `startAtoll`: counts the calls of both engines, and stops answering where it is told to crash. */
  wrap: NonNullable<TestAtollOptions['wrap']>;
  /** From now on, calls `crash` right after the n-th call has taken effect; that call is never answered. */
  arm(n: number, crash: () => void): void;
  disarm(): void;
}

export function crashPoint(): CrashPoint {
  let armed: { left: number; crash: () => void } | undefined;
  // Calls of a control plane that was killed are never answered.
  let generation = { dead: false };

  function guard<Port extends object>(port: Port, mine: { dead: boolean }): Port {
    return new Proxy(port, {
      get(target, key) {
        const method: unknown = Reflect.get(target, key);
        if (typeof method !== 'function' || passive.has(String(key))) return method;
        return async (...args: unknown[]) => {
          if (mine.dead) return never;
          const result: unknown = await method.apply(target, args);
          if (mine.dead) return never;
          if (armed && --armed.left === 0) {
            mine.dead = true;
            const { crash } = armed;
            armed = undefined;
            crash();
            return never;
          }
          return result;
        };
      },
    });
  }

  return {
    wrap: {
      compute(compute: Compute) {
        generation = { dead: false };
        return guard(compute, generation);
      },
      host: (host: Host) => guard(host, generation),
    },
    arm(n, crash) {
      armed = { left: n, crash };
    },
    disarm() {
      armed = undefined;
    },
  };
}
