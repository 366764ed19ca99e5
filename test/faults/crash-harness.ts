/**
 * Kills the control plane right after its n-th engine call, for every n, starts another over the same world, and
 * compares what it ends in with the world of an undisturbed run.
 */
import { expect } from 'vitest';
import type { Compute } from '../../src/engine/compute/port.ts';
import type { Host } from '../../src/engine/host/port.ts';
import type { TestAtoll, TestAtollOptions } from '../support/atoll.ts';
import { isCampaign, sample } from '../support/campaign.ts';
import { until } from '../support/until.ts';

/** Not steps towards anything: they are let through, and never counted. */
const passive = new Set(['watch', 'close']);
const never = new Promise<never>(() => {});

export interface CrashPoint {
  /** For `startAtoll`: counts the calls of both engines, and stops answering where it is told to crash. */
  wrap: NonNullable<TestAtollOptions['wrap']>;
  /** From now on, calls `crash` right after the n-th call has taken effect; that call is never answered. */
  arm(n: number, crash: () => void): void;
  /** Answers how many calls there have been since `arm`. */
  disarm(): number;
}

export function crashPoint(): CrashPoint {
  let armed: { at: number; crash: () => void } | undefined;
  let calls = 0;
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
          calls++;
          if (armed?.at === calls) {
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
      armed = { at: n, crash };
      calls = 0;
    },
    disarm() {
      armed = undefined;
      return calls;
    },
  };
}

/** What is to survive crashes at every point. */
export interface Survival<Prepared, Asked> {
  point: CrashPoint;
  atoll: TestAtoll;
  /** Brings about what it starts from. */
  prepare(): Promise<Prepared>;
  /** Asks for what the control plane is killed in. */
  ask(prepared: Prepared): Promise<Asked>;
  /** All that can be seen of it, without what differs by chance. */
  world(prepared: Prepared, asked: Asked): Promise<unknown>;
  /** So many engine calls it makes at least. */
  calls: number;
  /** The gate kills after so many of them only, by its seed; absent: after each. */
  gateCount?: number | undefined;
  patience?: Patience | undefined;
}

/** How long an engine may take to get there, and how often to look: looking takes time from what is looked at. */
export interface Patience {
  deadlineMs: number;
  intervalMs: number;
}

/** More engine calls than anything makes: what never runs out of crashes is a bug. */
const most = 40;

/** Expects the world of an undisturbed run, whichever engine call the control plane is killed after. */
export async function expectSurvival<Prepared, Asked>(survival: Survival<Prepared, Asked>) {
  const { point, atoll, prepare, ask, world, calls, gateCount, patience } = survival;
  async function run(n: number) {
    const prepared = await prepare();
    await idle(atoll, patience);
    const crashed = crashAfter(point, atoll, n);
    const asked = await ask(prepared);
    await idle(atoll, patience);
    const made = point.disarm();
    const came = await crashed();
    await idle(atoll, patience);
    return { made, came, world: await world(prepared, asked) };
  }
  const undisturbed = await run(0);
  /** Answers whether it came to the n-th engine call. */
  async function survives(n: number): Promise<boolean> {
    const disturbed = await run(n);
    expect(disturbed.world, `killed after engine call ${n}`).toEqual(undisturbed.world);
    return disturbed.came;
  }
  if (gateCount && !isCampaign) {
    expect(undisturbed.made).toBeGreaterThanOrEqual(calls);
    const moments = Array.from({ length: undisturbed.made }, (_, index) => index + 1);
    for (const n of sample(moments, gateCount)) await survives(n);
    return;
  }
  let n = 1;
  while (await survives(n)) expect(++n).toBeLessThan(most);
  expect(n).toBeGreaterThan(calls);
}

/** Kills the control plane after the n-th engine call from now on; the answer says whether it came to that. */
export function crashAfter(point: CrashPoint, atoll: TestAtoll, n: number): () => Promise<boolean> {
  let restarted: Promise<void> | undefined;
  point.arm(n, () => {
    restarted = atoll.restart();
  });
  return async () => {
    point.disarm();
    await restarted;
    return restarted !== undefined;
  };
}

/** Nothing is dirty: every loop has done all it was woken for. */
export async function idle(
  { database }: TestAtoll,
  { deadlineMs, intervalMs }: Partial<Patience> = {},
): Promise<void> {
  const dirty = database.store.db.selectFrom('reconcile').select('id').whereRef('done', '<', 'wanted');
  await until(async () => (await dirty.execute()).length === 0, deadlineMs, 'nothing is dirty', intervalMs);
}
