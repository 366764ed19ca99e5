/**
 * The control loop: claims dirty resources and has their reconciler bring the world to what is wanted. It is
 * level-triggered: a wake carries no hint of what changed. It is woken by the commits of its own process, by other
 * loops' notifications, by the next due time and by a resync. Any number of loops share one database.
 */
import pg from 'pg';
import { EngineError } from '../engine/errors.ts';
import type { Log } from '../log.ts';
import { type Address, connectionOptions } from '../store/open.ts';
import type { Clock } from './clock.ts';
import {
  announce,
  type Claim,
  claim,
  fail,
  finish,
  forget,
  nudge,
  ownerLock,
  reap,
  renew,
  wakeChannel,
} from './reconcile.ts';

/** What became of a run that did not throw. */
export interface Outcome {
  /** Look again at this time though nobody asks. */
  again?: Date;
  /** Nothing is left to reconcile, ever. */
  forget?: boolean;
}

export interface Reconciler {
  kind: string;
  /**
   * Brings one resource to what is wanted. Never runs twice at once for one id. Throws to be tried again later,
   * with growing pauses.
   */
  reconcile(id: string, run: Run): Promise<Outcome | void>;
}

export interface Run {
  /** Failed runs in a row before this one. */
  attempts: number;
  signal: AbortSignal;
  /**
   * To be called before each look at the world: what was seen of the resource until then (`ControlLoop.saw`), mostly this
   * run's own doing, needs no other run.
   */
  looking(): void;
}

export interface LoopOptions {
  address: Address;
  clock: Clock;
  log: Log;
  reconcilers: Reconciler[];
  /** How many resources are worked on at once. */
  workers: number;
  /** 0 ≤ n < 1; spreads retries. */
  random: () => number;
  /** How often to look for dead owners and missed wakes, ms. */
  resyncMs?: number;
}

export interface ControlLoop {
  /** Connects and begins. Keeps reconnecting by itself afterwards. */
  start(): Promise<void>;
  /** Looks for due work now, and soon has the loops of other processes look: after a commit that may have woken something. */
  look(): void;
  /**
   * Has a resource looked at because something was seen of it: once more after a run of this loop that has begun its
   * last look. See `nudge`. Throws where the database cannot be reached.
   */
  saw(kind: string, id: string): Promise<void>;
  /** Takes nothing new and waits for what is running, at most `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  /** Drops dead in the middle of whatever it does, as kill -9 would: for tests of recovery. */
  kill(): void;
}

const leaseRenewalMs = 15_000;
/** The least time between two claims, in real ms: each takes what has fallen due meanwhile, in one statement. */
const claimPauseMs = 4;

/** How long wakes are gathered before other loops are told of them, in real ms. */
const announcePauseMs = 25;

/** How long to wait before try number `attempts` + 1: 0.25 s doubling to 30 s, ± 20 %; busy objects 0.2 s. */
export function backoffMs(error: unknown, attempts: number, random: () => number): number {
  if (error instanceof EngineError && error.kind === 'busy') return 200;
  return Math.min(250 * 2 ** Math.min(Math.abs(attempts), 20), 30_000) * (0.8 + 0.4 * random());
}

/** Whether nothing has failed: the engine was away, or something else held the object. */
const isWait = (error: unknown): boolean =>
  error instanceof EngineError && (error.kind === 'unavailable' || error.kind === 'busy');

export function controlLoop(options: LoopOptions): ControlLoop {
  const { clock, log, workers, random } = options;
  const resyncMs = options.resyncMs ?? 2000;
  const reconcilers = new Map(options.reconcilers.map((reconciler) => [reconciler.kind, reconciler]));
  const running = new Set<Promise<void>>();
  /** The runs under way, and whether something was seen of their resources since they last looked. */
  const looks = new Map<string, { outdated: boolean }>();
  // Losing a claim or a "done" in a crash of the database only means one more idempotent run.
  const pool = new pg.Pool({
    ...connectionOptions(options.address, 'atoll-claims'),
    options: '-c synchronous_commit=off',
    max: 4,
  });
  // A connection that breaks while idle is replaced on the next query.
  pool.on('error', () => {});
  const ended = new AbortController();
  let session: { client: pg.Client; owner: number } | undefined;
  let pumping = false;
  let pumpAgain = false;
  let filledAt = 0;
  let announcing: NodeJS.Timeout | undefined;
  let cancelDue = () => {};
  let cancelResync = () => {};
  let cancelRenewal = () => {};

  /** A session of its own: it listens, and holds the lock that tells others that we live. */
  async function connect(): Promise<void> {
    const owner = 1 + Math.floor(random() * 0x7ffffffe);
    const client = new pg.Client(connectionOptions(options.address, 'atoll-loop'));
    const lost = (error?: Error) => {
      if (session?.client !== client) return;
      session = undefined;
      if (ended.signal.aborted) return;
      log.warn({ error: error?.message }, 'the control loop lost its database session');
      reconnect();
    };
    client.on('error', lost);
    client.on('end', () => lost());
    client.on('notification', ({ payload }) => {
      if (payload !== String(owner)) pump();
    });
    await client.connect();
    await client.query('select pg_advisory_lock($1, $2)', [ownerLock, owner]);
    await client.query(`listen ${wakeChannel}`);
    session = { client, owner };
    await reap(pool, owner);
    pump();
  }

  function reconnect(): void {
    clock.after(500, () => {
      if (ended.signal.aborted || session) return;
      connect().catch((error: Error) => {
        log.warn({ error: error.message }, 'the control loop cannot reach the database');
        reconnect();
      });
    });
  }

  /** A moment in which wakes and finished runs come together: short after a pause, longer where they come close. */
  const gathered = () =>
    new Promise((resolve) => {
      const pause = filledAt + claimPauseMs - performance.now();
      if (pause > 0) setTimeout(resolve, pause);
      else setImmediate(resolve);
    });

  /** Fills the free slots with due resources. One at a time; a call during another means one more. */
  function pump(): void {
    if (pumping) {
      pumpAgain = true;
      return;
    }
    pumping = true;
    gathered()
      .then(() => {
        pumpAgain = false;
        filledAt = performance.now();
        return fill();
      })
      .catch((error: Error) => log.warn({ error: error.message }, 'the control loop cannot claim work'))
      .finally(() => {
        pumping = false;
        if (!pumpAgain) return;
        pumpAgain = false;
        pump();
      });
  }

  /** Tells the other loops that there may be work, once for all that comes close together. */
  function announceSoon(): void {
    const mine = session;
    if (announcing || !mine) return;
    announcing = setTimeout(() => {
      announcing = undefined;
      // Who is not told finds it at its next resync.
      if (session === mine) announce(pool, mine.owner).catch(() => {});
    }, announcePauseMs);
    announcing.unref();
  }

  async function fill(): Promise<void> {
    const mine = session;
    const free = workers - running.size;
    if (!mine || free <= 0 || ended.signal.aborted) return;
    const { claims, next } = await claim(pool, mine.owner, clock.now(), free);
    for (const claimed of claims) {
      const run = work(claimed, mine.owner).finally(() => {
        running.delete(run);
        pump();
      });
      running.add(run);
    }
    if (claims.length === free) return;
    cancelDue();
    if (next) cancelDue = clock.after(Math.max(1, next.getTime() - clock.now().getTime()), pump);
  }

  /** One run of a claimed resource's reconciler. */
  async function run({ kind, id, attempts }: Claim): Promise<Outcome> {
    const look = { outdated: false };
    looks.set(keyOf(kind, id), look);
    try {
      const outcome = await reconcilers.get(kind)?.reconcile(id, {
        attempts: Math.max(0, attempts),
        signal: ended.signal,
        looking: () => {
          look.outdated = false;
        },
      });
      return look.outdated && !outcome?.forget ? { again: clock.now() } : (outcome ?? {});
    } finally {
      looks.delete(keyOf(kind, id));
    }
  }

  async function work(claimed: Claim, owner: number): Promise<void> {
    const { kind, id, attempts } = claimed;
    try {
      const outcome = await run(claimed);
      if (outcome.forget) await forget(pool, owner, claimed);
      else await finish(pool, owner, claimed, outcome.again);
    } catch (error) {
      const message = (error as Error).message;
      const due = new Date(clock.now().getTime() + backoffMs(error, attempts, random));
      const level = error instanceof EngineError && error.kind === 'busy' ? 'debug' : 'warn';
      log[level]({ kind, id, attempts, error: message }, 'reconcile failed, will try again');
      // Where the database is gone, the claim is given up with our session.
      await fail(pool, owner, claimed, { due, error: message, waited: isWait(error) }).catch(() => {});
    }
  }

  /** Looks for dead owners and for wakes that a broken session may have missed. */
  function resync(): void {
    cancelResync = clock.after(resyncMs, () => {
      const mine = session;
      if (mine) {
        reap(pool, mine.owner).then(pump, (error: Error) =>
          log.warn({ error: error.message }, 'the control loop cannot look for dead owners'),
        );
      }
      resync();
    });
  }

  function keepLeases(): void {
    const timer = setInterval(() => {
      const mine = session;
      // A lease that cannot be renewed runs out, and others take over: nothing to do about it here.
      if (mine && running.size > 0) renew(pool, mine.owner).catch(() => {});
    }, leaseRenewalMs);
    timer.unref();
    cancelRenewal = () => clearInterval(timer);
  }

  function quiet(): void {
    ended.abort();
    clearTimeout(announcing);
    cancelDue();
    cancelResync();
    cancelRenewal();
  }

  return {
    async start() {
      await connect();
      resync();
      keepLeases();
    },
    look() {
      pump();
      announceSoon();
    },
    async saw(kind, id) {
      const look = looks.get(keyOf(kind, id));
      if (look) {
        look.outdated = true;
        return;
      }
      await nudge(pool, kind, id, clock.now());
      pump();
    },
    async stop(graceMs = 10_000) {
      quiet();
      await Promise.race([
        Promise.allSettled(running),
        new Promise((resolve) => setTimeout(resolve, graceMs).unref()),
      ]);
      const mine = session;
      session = undefined;
      await mine?.client.end().catch(() => {});
      if (!pool.ending) await pool.end();
    },
    kill() {
      quiet();
      const mine = session;
      session = undefined;
      // Whatever is still running can write nothing more.
      mine?.client.end().catch(() => {});
      if (!pool.ending) pool.end().catch(() => {});
    },
  };
}

const keyOf = (kind: string, id: string): string => `${kind} ${id}`;
