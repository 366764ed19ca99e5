import { EngineError } from '../../src/base/engine-error.ts';
import type { Compute } from '../../src/engine/compute/port.ts';

type Method = keyof Compute;

export interface AwkwardCompute {
  /** For `TestAtollOptions.wrap`. */
  wrap(compute: Compute): Compute;
  /** The next call of a method has its effect, and then throws. */
  afterwards(method: Method, error: EngineError): void;
  /** A method is unavailable until what is answered is called. */
  hold(method: Method): () => void;
}

/** Between the loop and a compute engine: what a simulated world that is told to fail does not do. */
export function awkwardCompute(): AwkwardCompute {
  const errors = new Map<Method, EngineError>();
  const held = new Set<Method>();

  function around(method: Method, work: (...args: unknown[]) => Promise<unknown>) {
    return async (...args: unknown[]) => {
      if (held.has(method)) throw new EngineError('unavailable', `${method} is held`);
      const result = await work(...args);
      const error = errors.get(method);
      errors.delete(method);
      if (error) throw error;
      return result;
    };
  }

  return {
    wrap: (compute) =>
      new Proxy(compute, {
        get(target, name: Method) {
          const value = target[name];
          if (name === 'watch' || name === 'close') return value;
          return around(name, value as (...args: unknown[]) => Promise<unknown>);
        },
      }),
    afterwards: (method, error) => void errors.set(method, error),
    hold(method) {
      held.add(method);
      return () => held.delete(method);
    },
  };
}
