/**
 * Kills the control plane at a moment of its work, starts another over the same world, and compares what it ends in with
 * the world of an undisturbed run. The moments come from the plans: all steps that are taken, and all engine calls.
 */
import { sql } from 'kysely';
import { expect } from 'vitest';
import type { AroundStep } from '../../src/control/converge.ts';
import type { Builder } from '../../src/engine/builder/port.ts';
import type { Compute } from '../../src/engine/compute/port.ts';
import type { Host } from '../../src/engine/node/port.ts';
import type { TestAtoll, TestAtollOptions } from '../support/atoll.ts';
import { sample } from '../support/campaign.ts';
import { adminOf } from '../support/database.ts';
import { until } from '../support/until.ts';

/** Not steps towards anything: they are let through, and never counted. */
const passive = new Set(['watch', 'close']);
const never = new Promise<never>(() => {});

/**
 * Where a crash comes: after an engine call has taken effect, or around a step of a plan: before it is begun, while its
 * first engine call is under way, when it is done. `away`: no crash, but the database is away while the step is taken.
 */
export const moments = ['after call', 'before step', 'during step', 'after step', 'away'] as const;
export type Moment = (typeof moments)[number];

interface Armed {
  moment: Moment;
  at: number;
  crash(): void;
  /** Does the work of a step while the control loop has no database. */
  away(work: () => Promise<unknown>): Promise<unknown>;
}

/** What there has been since a crash point was armed. */
export interface Counted {
  calls: number;
  steps: number;
}

export interface CrashPoint {
  /** For `startAtoll`: counts engine calls and steps, and stops answering where it is told to crash. */
  wrap: NonNullable<TestAtollOptions['wrap']>;
  /** From now on, crashes at the n-th call or step; that one is never answered. */
  arm(armed: Armed): void;
  disarm(): Counted;
  /** The steps that were ever taken: `droplet: create`. */
  taken: ReadonlySet<string>;
}

/** A control plane. Calls of one that was killed are never answered. */
interface Generation {
  dead: boolean;
  /** It dies in its next engine call. */
  dying?: (() => void) | undefined;
}

export function crashPoint(): CrashPoint {
  let armed: Armed | undefined;
  let counted: Counted = { calls: 0, steps: 0 };
  let generation: Generation = { dead: false };
  const taken = new Set<string>();

  function guard<Port extends object>(port: Port, mine: Generation): Port {
    return new Proxy(port, {
      get(target, key) {
        const method: unknown = Reflect.get(target, key);
        if (typeof method !== 'function' || passive.has(String(key))) return method;
        return async (...args: unknown[]) => {
          if (mine.dead) return never;
          const result: Promise<unknown> = Promise.resolve(method.apply(target, args));
          if (mine.dying) {
            // Its effect comes when another control plane is at work.
            result.catch(() => {});
            mine.dying();
            return never;
          }
          const answer = await result;
          if (mine.dead) return never;
          counted.calls++;
          if (armed?.moment === 'after call' && armed.at === counted.calls) return die(mine, armed);
          return answer;
        };
      },
    });
  }

  function die(mine: Generation, { crash }: Armed): Promise<never> {
    mine.dead = true;
    armed = undefined;
    crash();
    return never;
  }

  const around =
    (mine: Generation): AroundStep =>
    async (kind, step, take) => {
      if (mine.dead) return never;
      taken.add(`${kind}: ${(step as { do: string }).do}`);
      counted.steps++;
      const here = armed?.at === counted.steps ? armed : undefined;
      if (here?.moment === 'before step') return die(mine, here);
      if (here?.moment === 'away') {
        armed = undefined;
        return here.away(take);
      }
      if (here?.moment === 'during step') {
        armed = undefined;
        mine.dying = () => void die(mine, here);
      }
      const answer = await take();
      if (mine.dead) return never;
      // It has made no engine call to die in.
      if (here?.moment === 'during step' || here?.moment === 'after step') return die(mine, here);
      return answer;
    };

  return {
    taken,
    wrap: {
      compute(compute: Compute) {
        generation = { dead: false };
        return guard(compute, generation);
      },
      host: (host: Host) => guard(host, generation),
      builder: (builder: Builder) => guard(builder, generation),
      aroundStep: () => around(generation),
    },
    arm(next) {
      armed = next;
      counted = { calls: 0, steps: 0 };
    },
    disarm() {
      armed = undefined;
      return counted;
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

/** So many of the moments around steps the gate tries of one scenario, by its seed. */
const gateMoments = 4;

/**
 * Expects the world of an undisturbed run, whichever engine call the control plane is killed after, and whatever moment of
 * whichever step it is killed in, or has no database in.
 */
export async function expectSurvival<Prepared, Asked>(survival: Survival<Prepared, Asked>) {
  const { point, atoll, prepare, ask, world, calls, gateCount, patience } = survival;
  async function run(n: number, moment: Moment) {
    const prepared = await prepare();
    await idle(atoll, patience);
    let answered = () => {};
    const asking = new Promise<void>((resolve) => {
      answered = resolve;
    });
    const crashed = crashAfter(point, atoll, n, { moment, asking });
    const asked = await ask(prepared);
    answered();
    await idle(atoll, patience);
    const made = point.disarm();
    await crashed();
    await idle(atoll, patience);
    return { made, world: await world(prepared, asked) };
  }
  const undisturbed = await run(0, 'after call');
  const { made } = undisturbed;
  expect(made.calls).toBeGreaterThanOrEqual(calls);
  expect(made.steps).toBeGreaterThan(0);
  const every = (moment: Moment) =>
    Array.from({ length: moment === 'after call' ? made.calls : made.steps }, (_, n) => ({
      moment,
      n: n + 1,
    }));
  const afterCalls = every('after call');
  const aroundSteps = moments.slice(1).flatMap(every);
  for (const { moment, n } of [
    ...(gateCount ? sample(afterCalls, gateCount) : afterCalls),
    ...sample(spread(aroundSteps), gateCount ?? gateMoments),
  ]) {
    const disturbed = await run(n, moment);
    expect(disturbed.world, `${moment} ${n}`).toEqual(undisturbed.world);
  }
}

/** In an order in which neighbours differ in their moments, so that each sample has several of them. */
function spread(cases: { moment: Moment; n: number }[]): { moment: Moment; n: number }[] {
  return cases.toSorted((a, b) => a.n - b.n || moments.indexOf(a.moment) - moments.indexOf(b.moment));
}

/**
 * Has the control plane crash at the n-th engine call, or step, from now on; the answer says whether it came to that.
 * @param asking what is asked has been answered: until then it needs its database
 */
export function crashAfter(
  point: CrashPoint,
  atoll: TestAtoll,
  n: number,
  { moment = 'after call', asking }: { moment?: Moment; asking?: Promise<void> } = {},
): () => Promise<boolean> {
  let restarted: Promise<void> | undefined;
  point.arm({
    moment,
    at: n,
    crash() {
      restarted = atoll.restart();
    },
    async away(work) {
      restarted = Promise.resolve();
      await asking;
      return withoutDatabase(atoll, work);
    },
  });
  return async () => {
    point.disarm();
    await restarted;
    return restarted !== undefined;
  };
}

/** Ends all connections of the control loop, and lets nobody connect, until the work has come to an end. */
async function withoutDatabase<T>({ database }: TestAtoll, work: () => Promise<T>): Promise<T> {
  const { address } = database;
  if (!('socketDir' in address)) throw new Error('a socket is needed');
  const admin = adminOf(address.socketDir);
  await admin(`alter database ${address.database} allow_connections false`);
  try {
    await admin(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = '${address.database}' and application_name in ('atoll-loop', 'atoll-reconcile')`);
    return await work();
  } finally {
    await admin(`alter database ${address.database} allow_connections true`);
  }
}

/** Nothing is dirty: every loop has done all it was woken for. */
export async function idle(
  { database }: TestAtoll,
  { deadlineMs, intervalMs }: Partial<Patience> = {},
): Promise<void> {
  const dirty = database.store.db
    .selectFrom('reconcile')
    .select('id')
    .whereRef('done', '<', 'wanted')
    // An image that is there is looked at again in a week.
    .where(sql<boolean>`not (kind = 'golden' and due > now() + interval '1 day')`);
  await until(async () => (await dirty.execute()).length === 0, deadlineMs, 'nothing is dirty', intervalMs);
}
