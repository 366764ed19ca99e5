/**
 * Lets machines boot side by side, but not all at once. A boot is a second of pure CPU; when fifty share two cores,
 * each takes most of a minute, things time out and are tried again, and the whole takes five times as long as with
 * six at a time.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Clock, sleep } from '../../../base/clock.ts';

export interface Admission {
  /** Resolves when one more machine may be started. */
  enter(): Promise<void>;
}

export interface AdmissionOptions {
  clock: Clock;
  cores?: number;
  /** How many tasks of the host want to run right now. */
  runnable?: () => number;
}

/** So many boots side by side keep every core busy. */
const bootsPerCore = 2;
/** With more tasks than this wanting to run, the cores have enough to do. */
const runnablePerCore = 3;
/** A machine that was started longer ago than this has booted, whatever else keeps the host busy. */
const bootMs = 10_000;
const pollMs = 50;

/**
 * Waits only for machines that this process has started itself a moment ago, and only while they keep the host
 * busy: a host that is busy with its droplets' work starts a single one without delay.
 */
export function bootAdmission({
  clock,
  cores = availableParallelism(),
  runnable = runnableTasks,
}: AdmissionOptions): Admission {
  let booting: number[] = [];
  let queue: Promise<void> = Promise.resolve();

  async function admit(): Promise<void> {
    for (;;) {
      const now = clock.now().getTime();
      booting = booting.filter((started) => now - started < bootMs);
      if (booting.length < bootsPerCore * cores || runnable() <= runnablePerCore * cores) {
        booting.push(now);
        return;
      }
      await sleep(clock, pollMs);
    }
  }

  return {
    enter() {
      // One after the other: each sees what the one before it has started.
      const mine = queue.then(admit);
      // One that could not look at the host must not keep out those after it.
      queue = mine.catch(() => {});
      return mine;
    },
  };
}

/** The running tasks of /proc/loadavg's fourth field (proc(5)). */
function runnableTasks(): number {
  return Number(/ (\d+)\/\d+ /.exec(readFileSync('/proc/loadavg', 'utf8'))?.[1] ?? 0);
}
