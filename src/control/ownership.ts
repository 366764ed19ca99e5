/**
 * What keeps a loop's claims its own: a session with the database that holds the lock of the loop's number, renewals of
 * its lease, and the comparison of what the table says it holds with what it really works on.
 *
 * Others may take over when the lease has run out, or `goneMs` after they began to miss the lock. So what was proven by
 * a renewal is certain for less than `goneMs` after it was sent, and is over for certain when the lease has run out.
 * All of it is measured on this process' own monotonic clock: a process that was stopped for a while notices it by
 * itself, before it does anything else. That clock stands still while the whole machine sleeps: where the wall clock
 * has moved on, a renewal proves what is still held.
 */
import type pg from 'pg';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Address } from '../store/open.ts';
import { openSession, type Session } from '../store/session.ts';
import { holdings, release } from './claims.ts';
import { type Lease, reaper, register, renew, takeNumber, takeNumberAgain, unregister } from './loops.ts';
import { type Held, keyOf, type Runs } from './runs.ts';

export interface OwnershipOptions {
  address: Address;
  clock: Clock;
  log: Log;
  random: () => number;
  lease: Lease;
  runs: Runs;
  /** There is a session, for the first time or again. */
  connected(): void;
  /** What a dead loop held is free. */
  freed(): void;
}

export interface Ownership {
  start(): Promise<void>;
  /** Constant from the start until the process ends. */
  owner(): number;
  session: Session;
  /** Returns where the run may take another step; else resolves when that is known. @throws ClaimLost */
  check(held: Held): void | Promise<void>;
  /** Takes leave, so that others need not wait for a lease. What is still at work is lost, and takes no other step. */
  end(): Promise<void>;
  /** Falls silent in the middle of whatever it does. */
  kill(): void;
}

/** How many times within `goneMs` a lease is renewed. */
const renewals = 3;
/** The share of a time that is left for what is sent to arrive, and for timers that come late. */
const margin = 0.2;
const retryMs = 50;

export function ownership(options: OwnershipOptions): Ownership {
  const { clock, log, random, lease, runs } = options;
  let owner: number | undefined;
  /** When the last renewal that succeeded was sent, by performance.now(). */
  let provenAt = Number.NEGATIVE_INFINITY;
  /** The same on the wall clock. */
  let provenOn = 0;
  let renewing: Promise<void> | undefined;
  let renewingSince = 0;
  let beat: NodeJS.Timeout | undefined;
  let beats = 0;
  const others = reaper(lease);
  let killed = false;

  const session = openSession({
    address: options.address,
    name: 'atoll-loop',
    clock,
    log,
    random,
    // A claim or an end that a crash of the database loses only means one more idempotent run.
    settings: '-c synchronous_commit=off',
    prepare,
    connected: options.connected,
    lost: giveUpSoon,
  });

  async function prepare(client: pg.Client): Promise<void> {
    if (owner !== undefined) await takeNumberAgain(client, owner);
    else {
      let drawn = draw();
      while (!(await takeNumber(client, drawn))) drawn = draw();
      owner = drawn;
      await register(client, owner, lease);
    }
    await prove(client, owner);
  }

  const draw = () => 1 + Math.floor(random() * 0x7ffffffe);

  async function prove(client: Parameters<typeof renew>[0], mine: number): Promise<void> {
    const sent = performance.now();
    const sentOn = clock.now().getTime();
    if (!(await renew(client, mine, lease))) {
      loseAll('the lease has run out, others have taken over');
      await register(client, mine, lease);
    }
    provenAt = sent;
    provenOn = sentOn;
  }

  function loseAll(why: string): void {
    const all = runs.all().filter(({ lost }) => !lost.signal.aborted);
    if (all.length > 0) log.warn({ runs: all.length, why }, 'the control loop has lost its claims');
    for (const each of all) runs.lose(each, why);
  }

  const age = () => performance.now() - provenAt;
  const isFresh = () => Math.max(age(), clock.now().getTime() - provenOn) < lease.goneMs * (1 - margin);

  /** Gives up by itself before anybody else can have taken over. */
  function expire(): void {
    if (age() >= lease.ms * (1 - margin)) loseAll('the lease could not be renewed in time');
  }

  /** Others miss our lock from now on: unless there is a new session before they may take over, all is lost. */
  function giveUpSoon(): void {
    setTimeout(
      () => {
        if (!session.connected() && !isFresh()) loseAll('there is no session with the database');
      },
      Math.max(0, lease.goneMs * (1 - margin) - age()) + 1,
    ).unref();
  }

  function renewNow(): Promise<void> {
    if (!renewing) renewingSince = performance.now();
    renewing ??= prove(session, owner ?? 0).finally(() => {
      renewing = undefined;
    });
    return renewing;
  }

  /** What the table says that we hold and what we work on must be the same. */
  async function compare(): Promise<void> {
    const mine = owner ?? 0;
    const held = new Map((await holdings(session, mine)).map((each) => [keyOf(each), each]));
    for (const each of runs.all()) {
      const found = held.get(keyOf(each.claim));
      const ours = !each.lost.signal.aborted;
      if (ours && found?.claim !== each.claim.claim) runs.lose(each, 'the table gives it to somebody else');
      else if (ours) held.delete(keyOf(each.claim));
    }
    if (held.size === 0) return;
    log.warn({ claims: [...held.keys()] }, 'claims that nothing runs for are given back');
    await release(session, mine, [...held.values()], clock.now());
  }

  function heartbeat(): void {
    expire();
    if (renewing && performance.now() - renewingSince >= lease.ms * (1 - margin))
      session.reset('the database does not answer');
    if (!session.connected()) return;
    renewNow()
      .then(compare)
      .then(bury)
      .catch((error: Error) => {
        if (!killed) log.warn({ error: error.message }, 'the control loop cannot renew its claims');
      });
  }

  /** Dead loops are looked for less often than a lease is renewed: that is for each to do. */
  async function bury(): Promise<void> {
    if (beats++ % renewals !== 0 && !others.misses()) return;
    if ((await others.reap(session, owner ?? 0, clock.now())) > 0) options.freed();
  }

  async function proven(held: Held): Promise<void> {
    while (!isFresh() && !held.lost.signal.aborted) {
      expire();
      if (held.lost.signal.aborted) break;
      await renewNow().catch(() => new Promise((resolve) => setTimeout(resolve, retryMs)));
    }
    held.lost.signal.throwIfAborted();
  }

  return {
    session,
    async start() {
      await session.start();
      beat = setInterval(heartbeat, lease.goneMs / renewals);
      beat.unref();
      heartbeat();
    },
    owner: () => owner ?? 0,
    check(held) {
      expire();
      held.lost.signal.throwIfAborted();
      return isFresh() ? undefined : proven(held);
    },
    async end() {
      clearInterval(beat);
      const atWork = runs.working().length > 0;
      loseAll('the process ends');
      // What is in the middle of a step goes on for a moment: others get it when they have missed us for a while.
      if (session.connected() && !atWork) {
        // A database that does not answer is not waited for.
        const patience = new Promise((resolve) => setTimeout(resolve, lease.goneMs).unref());
        await Promise.race([unregister(session, owner ?? 0, clock.now()).catch(() => {}), patience]);
      }
      await session.end();
    },
    kill() {
      killed = true;
      for (const each of runs.all()) runs.lose(each, 'the process was killed');
      clearInterval(beat);
      void session.end();
    },
  };
}
