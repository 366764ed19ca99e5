/**
 * The control loop: claims dirty resources and has their reconciler bring the world to what is wanted. It is
 * level-triggered: a wake carries no hint of what changed. It is woken by the commits of its own process, by other
 * loops' notifications, by the next due time and by a resync. Any number of loops share one database.
 */

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Address } from '../store/open.ts';
import type { ChannelListener, Listening } from '../store/session.ts';
import type { Store } from '../store/store.ts';
import { type Claim, claim, hurry } from './claims.ts';
import { writeEndings } from './endings.ts';
import { claimGuard, type Guard } from './guard.ts';
import { isSurplus, roomFor } from './lanes.ts';
import type { Lease } from './loops.ts';
import { type LoopMetrics, loopMetrics } from './metrics.ts';
import { ownership } from './ownership.ts';
import { nudge } from './reconcile.ts';
import type { Reconciler } from './run.ts';
import { type Held, runsOf } from './runs.ts';
import { work } from './work.ts';

export type { Outcome, Reconciler, Run } from './run.ts';

export interface LoopOptions {
  /** For a session of its own, which nothing else uses. */
  address: Address;
  /** For what may have to wait for others. */
  store: Pick<Store, 'pool'>;
  clock: Clock;
  log: Log;
  reconcilers: Reconciler[];
  /** How many resources are worked on at once in the quick lane. */
  workers: number;
  /** How many more in the slow lane; absent: a third of `workers`, at least 8: slow work mostly waits for disks and networks. */
  slowWorkers?: number;
  /** 0 ≤ n < 1; spreads retries. */
  random: () => number;
  /** Checks what runs ask of the world; absent: one of the loop's own, which checks nothing but `Run.slow`. */
  guard?: Guard;
  /** How often to poll for missed wakes, ms. */
  resyncMs?: number;
  lease?: Lease;
}

export interface ControlLoop {
  /** Connects and begins. Keeps reconnecting by itself afterwards. */
  start(): Promise<void>;
  /** Polls for due work now, and soon has the loops of other processes poll: after a commit that may have woken something. */
  poll(): void;
  /**
   * Has a resource reconciled because something was seen of it, as `nudge` in reconcile.ts does; where a run of this loop
   * is at it, once more after that, unless it observes the world again (`Run.observing`). Throws where the database cannot
   * be reached.
   */
  nudge(kind: string, id: string): Promise<void>;
  /** Hears what is notified on a channel, on the connection of the loop. */
  listen(channel: string, listener: ChannelListener): Listening;
  metrics: LoopMetrics;
  /** Takes nothing new and waits for what is running, at most `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  /** Drops dead in the middle of whatever it does, as kill -9 would: for tests of recovery. */
  kill(): void;
}

/** The channel on which a loop tells the others that there may be work; the payload is its number. */
const wakeChannel = 'atoll_wake';

/** The least time between two claims, in real ms: each takes what has fallen due meanwhile, in one statement. */
const claimPauseMs = 4;
/** How long wakes are gathered before other loops are told of them, in real ms. */
const announcePauseMs = 25;
/** A process that hangs for 20 s is given up; one that has lost its session has 5 s to come back. */
const defaultLease: Lease = { ms: 20_000, goneMs: 5_000 };

export function controlLoop(options: LoopOptions): ControlLoop {
  const { clock, log, random } = options;
  const resyncMs = options.resyncMs ?? 2000;
  const guard = options.guard ?? claimGuard();
  const slots = {
    quick: options.workers,
    slow: options.slowWorkers ?? Math.max(8, Math.ceil(options.workers / 3)),
  };
  const reconcilers = new Map(options.reconcilers.map((reconciler) => [reconciler.kind, reconciler]));
  const runs = runsOf(reconcilers, slots);
  const metrics = loopMetrics([...reconcilers.keys()]);
  const ended = new AbortController();
  const own = ownership({
    address: options.address,
    clock,
    log,
    random,
    lease: options.lease ?? defaultLease,
    runs,
    connected: pump,
    freed: pump,
  });
  const { session } = own;
  session.listen(wakeChannel, {
    notified(payload) {
      if (payload !== String(own.owner())) pump();
    },
    disconnected() {},
  });
  let claims = 0;
  let pumping = false;
  let pumpAgain = false;
  let filledAt = 0;
  let announcing: NodeJS.Timeout | undefined;
  let retrying: NodeJS.Timeout | undefined;
  let cancelDue = () => {};
  let cancelResync = () => {};
  let killed = false;
  /** The latest time that the clock has shown; undefined where what it was set back from is not known. */
  let latest: Date | undefined;

  /** A moment in which wakes and finished runs come together: short after a pause, longer where they come close. */
  const gathered = () =>
    new Promise((resolve) => {
      const pause = filledAt + claimPauseMs - performance.now();
      if (pause > 0) setTimeout(resolve, pause);
      else setImmediate(resolve);
    });

  /** Writes what has ended, and fills the free slots. One at a time; a call during another means one more. */
  function pump(): void {
    if (pumping) {
      pumpAgain = true;
      return;
    }
    pumping = true;
    gathered()
      .then(async () => {
        pumpAgain = false;
        filledAt = performance.now();
        if (killed || !session.connected()) return;
        await giveBack();
        await followClock();
        await fill();
      })
      .catch((error: Error) => {
        if (!killed) log.warn({ error: error.message }, 'the control loop cannot claim work');
      })
      .finally(() => {
        pumping = false;
        if (!pumpAgain) return;
        pumpAgain = false;
        pump();
      });
  }

  /** What cannot be written now, because somebody holds the row, is tried again soon. */
  async function giveBack(): Promise<void> {
    const again = await writeEndings({ session, owner: own.owner(), runs, log });
    clearTimeout(retrying);
    if (again !== undefined) retrying = setTimeout(pump, again).unref();
  }

  /** What is due by a clock that was set back since, perhaps while nobody was at work, would wait as long as that. */
  async function followClock(): Promise<void> {
    const now = clock.now();
    if (latest && now >= latest) {
      latest = now;
      return;
    }
    latest = undefined;
    await hurry(session, now);
    latest = now;
  }

  async function fill(): Promise<void> {
    if (ended.signal.aborted) return;
    const occupants = () => runs.working().map(({ claim: { kind }, lane }) => ({ kind, lane }));
    const room = roomFor(reconcilers, occupants(), slots);
    if (room.quick.slots + room.slow.slots <= 0) return;
    const except = runs.lost().map(({ claim }) => claim);
    const claimed = await claim(session, own.owner(), ++claims, clock.now(), { ...room, except });
    for (const each of claimed.claims) begin(each, isSurplus(reconcilers, occupants(), each));
    cancelDue();
    const next = claimed.next;
    if (next) cancelDue = clock.after(Math.max(1, next.getTime() - clock.now().getTime()), pump);
  }

  /** @param surplus its kind has as many runs as it may have: more were claimed at once than there is room for */
  function begin(claimed: Claim, surplus: boolean): void {
    const before = runs.get(claimed.kind, claimed.id);
    // Its claim is lost, and we are yet to hear of it; the comparison (ownership.ts) gives this one back.
    if (before && !before.ending) return;
    const held: Held = runs.begin(claimed, clock.now());
    const reconciler = reconcilers.get(claimed.kind);
    if (surplus || !reconciler) {
      runs.over(held, { how: 'given back', lane: claimed.lane });
      return pump();
    }
    const check = () => own.check(held);
    void guard
      .within(check, () =>
        work({ held, reconciler, runs, clock, log, random, ended: ended.signal, moved: pump }),
      )
      .then((ended) => {
        const again = held.outdated && ended.how === 'finished';
        const ending = again ? { ...ended, again: clock.now() } : ended;
        metrics.ran(held, ending, clock.now());
        runs.over(held, ending);
        pump();
      });
  }

  /** Tells the other loops that there may be work, once for all that comes close together. */
  function announceSoon(): void {
    if (announcing || !session.connected()) return;
    announcing = setTimeout(() => {
      announcing = undefined;
      // Who is not told finds it at its next resync.
      const values = [wakeChannel, String(own.owner())];
      session.query({ name: 'loop-announce', text: 'select pg_notify($1, $2)', values }).catch(() => {});
    }, announcePauseMs);
    announcing.unref();
  }

  /** Looks for wakes that nobody told of: those of a process that crashed after its commit. */
  function resync(): void {
    cancelResync = clock.after(resyncMs, () => {
      pump();
      resync();
    });
  }

  function quiet(): void {
    ended.abort();
    clearTimeout(announcing);
    cancelDue();
    cancelResync();
  }

  return {
    metrics,
    async start() {
      await own.start();
      resync();
      pump();
    },
    poll() {
      pump();
      announceSoon();
    },
    async nudge(kind, id) {
      const held = runs.get(kind, id);
      if (held && !held.ending && !held.lost.signal.aborted) {
        held.outdated = true;
        return;
      }
      await nudge(options.store.pool, kind, id, clock.now());
      pump();
    },
    listen: (channel, listener) => session.listen(channel, listener),
    async stop(graceMs = 10_000) {
      quiet();
      const deadline = performance.now() + graceMs;
      while (runs.all().length > 0 && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 5));
      killed = true;
      clearTimeout(retrying);
      await own.end();
    },
    kill() {
      killed = true;
      quiet();
      clearTimeout(retrying);
      // Whatever is still running can write nothing more.
      own.kill();
    },
  };
}
