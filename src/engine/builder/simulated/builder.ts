import type { Clock } from '../../../base/clock.ts';
import { EngineError } from '../../../base/engine-error.ts';
import type { Build, Builder } from '../port.ts';

/** A builder that only lets time pass, and the ways to make it misbehave. */
export interface SimulatedBuilder extends Builder {
  /** The next `times` builds of this recipe fail, for this reason. */
  fail(name: string, message: string, times?: number): void;
  /** The next build of this recipe takes so long, ms. */
  delay(name: string, ms: number): void;
  /** There is no build of this recipe any more, as on a machine that never built it. */
  forget(name: string): void;
  /** From now on the mirror has newer packages than the builds that there are. */
  publish(): void;
  /** While true, every call throws `unavailable`, as with a hostd that is down. */
  unavailable(down: boolean): void;
  /** Builds that were begun, by recipe. */
  readonly begun: ReadonlyMap<string, number>;
}

/** What every build is like. */
const bytes = 140 * 2 ** 20;

export function simulatedBuilder({
  clock,
  names,
  delayMs = 0,
}: {
  clock: Clock;
  /** The recipes that it knows. */
  names: readonly string[];
  /** How long a build takes. */
  delayMs?: number;
}): SimulatedBuilder {
  const builds = new Map<string, Build>();
  const failures = new Map<string, string[]>();
  const begun = new Map<string, number>();
  const delays = new Map<string, number>();
  let release = 1;
  let down = false;
  const digestOf = (name: string) => `${name}-r${release}`;

  function enter(name: string): void {
    if (down) throw new EngineError('unavailable', 'the simulated builder is down');
    if (!names.includes(name)) throw new EngineError('rejected', `there is no recipe ${name}`);
  }

  function end(name: string): void {
    const message = failures.get(name)?.shift();
    const digest = digestOf(name);
    builds.set(
      name,
      message === undefined
        ? { state: 'ready', digest, file: `/simulated/${digest}.tar.zst`, bytes, builtAt: clock.now() }
        : { state: 'failed', message },
    );
  }

  return {
    begun,
    fail: (name, message, times = 1) =>
      void failures.set(name, [...(failures.get(name) ?? []), ...Array<string>(times).fill(message)]),
    delay: (name, ms) => void delays.set(name, ms),
    forget: (name) => void builds.delete(name),
    publish: () => void release++,
    unavailable: (value) => void (down = value),
    async look(name) {
      enter(name);
      return builds.get(name) ?? { state: 'absent' };
    },
    async build(name, instead) {
      enter(name);
      const there = builds.get(name);
      if (there?.state === 'building' || (there?.state === 'ready' && there.digest !== instead)) return there;
      begun.set(name, (begun.get(name) ?? 0) + 1);
      builds.set(name, { state: 'building', step: 'installing packages' });
      const takes = delays.get(name) ?? delayMs;
      delays.delete(name);
      if (takes > 0) clock.after(takes, () => end(name));
      else end(name);
      return builds.get(name) ?? { state: 'absent' };
    },
    async updates(name) {
      enter(name);
      const there = builds.get(name);
      return there?.state === 'ready' && there.digest !== digestOf(name) ? ['openssl 3.5.1 → 3.5.2'] : [];
    },
  };
}
