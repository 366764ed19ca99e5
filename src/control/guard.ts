/**
 * Keeps a run whose claim was lost from taking another step. The run is known by the context that its calls are made
 * in, so that no reconciler can forget to ask.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Returns, or resolves, where the run may go on. @throws ClaimLost */
export type Check = () => void | Promise<void>;

export interface Guard {
  /** Does `work` as a run whose calls are checked. */
  within<Result>(check: Check, work: () => Result): Result;
  /** The same port; what a run asks of it is asked only while the run's claim is held. */
  port<Port extends object>(port: Port): Port;
  /** Checks the run that this is called in; outside of any it does nothing. */
  check: Check;
}

export function claimGuard(): Guard {
  const current = new AsyncLocalStorage<Check>();
  return {
    within: (check, work) => current.run(check, work),
    check: () => current.getStore()?.(),
    port: (port) =>
      new Proxy(port, {
        get(target, key) {
          const method: unknown = Reflect.get(target, key);
          if (typeof method !== 'function') return method;
          return (...args: unknown[]) => {
            const check = current.getStore();
            if (!check) return method.apply(target, args);
            return (async () => {
              await check();
              return method.apply(target, args);
            })();
          };
        },
      }),
  };
}
