/** Keeps the limits of the storage pool in force, and its list of quota groups short. */
import { type Clock, sleep } from '../base/clock.ts';
import type { PoolQuotas, QuotaMode } from '../setup/pool-quotas.ts';
import { errorText, type log as Log } from './log.ts';

/** How the pool is, as hostd tells it. */
export interface PoolStatus {
  /** Undefined while the pool is not mounted. */
  mode: QuotaMode | undefined;
  /** Whether limits hold at this moment. */
  inForce: boolean;
  /** How often the pool was counted anew since hostd started, and when the last time ended (RFC 3339). */
  repairs: number;
  repairedAt?: string;
  /** Why the last repair failed. */
  trouble?: string;
}

export interface PoolCare {
  /** Looks at once, and repairs what is to be repaired. Reports to the log and never throws. */
  check(): Promise<void>;
  /** Checks every 30 s until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
  status(): PoolStatus;
  /**
   * Limits the disk of an instance, by its name in Incus, to `bytes`; with `room`, to as much more than that, or than it
   * has taken already, as the host itself needs to write in it.
   * @throws where there is no such disk
   */
  limit(instance: string, bytes: number, room?: boolean): Promise<void>;
}

/** There is no disk of this name in the pool. */
export class NoDisk extends Error {
  override readonly name = 'NoDisk';
}

const CHECK_MS = 30_000;
const CLEAR_MS = 600_000;
/** After a repair the pool is let be for this many times as long as that took: counting anew is work. */
const REST = 10;
/** What Incus writes in an instance's volume (its record, templates) is some KiB; metadata are counted, too. */
const ROOM_BYTES = 64 * 2 ** 20;

export function poolCare({
  quotas,
  clock,
  log,
}: {
  quotas: PoolQuotas;
  clock: Clock;
  log: typeof Log;
}): PoolCare {
  const status: Pick<PoolStatus, 'repairs' | 'repairedAt' | 'trouble'> = { repairs: 0 };
  const now = () => clock.now().getTime();
  let restUntil = 0;
  let clearedAt = now();
  let told: string | undefined;

  async function repair(): Promise<void> {
    if (now() < restUntil) return;
    log('error', 'the storage pool has lost count: no disk is limited; it is counted anew', {
      pool: quotas.directory,
    });
    const started = now();
    await quotas.rescan();
    const tookMs = now() - started;
    restUntil = now() + tookMs * REST;
    status.repairs++;
    status.repairedAt = clock.now().toISOString();
    log('info', 'the storage pool is counted: disks are limited again', { pool: quotas.directory, tookMs });
  }

  async function clear(): Promise<void> {
    if (now() - clearedAt < CLEAR_MS) return;
    clearedAt = now();
    await quotas.clearStale();
  }

  async function look(): Promise<void> {
    const state = quotas.state();
    if (!state || state.mode === 'none') return;
    // Simple quotas cannot be counted anew: `up` turns them on again.
    if (state.inconsistent && state.mode === 'squota')
      throw new Error('simple quotas have lost count: no disk is limited; ./atoll up mends it');
    if (state.inconsistent) await repair();
    await clear();
  }

  async function check(): Promise<void> {
    let trouble: string | undefined;
    try {
      await look();
    } catch (error) {
      trouble = errorText(error);
    }
    if (trouble && trouble !== told)
      log('error', 'the storage pool is not as it should be', { error: trouble });
    told = trouble;
    if (trouble) status.trouble = trouble;
    else delete status.trouble;
  }

  return {
    check,
    async run(signal) {
      while (!signal.aborted) {
        await check();
        await sleep(clock, CHECK_MS, signal);
      }
    },
    status() {
      const state = quotas.state();
      const inForce = state !== undefined && state.mode !== 'none' && !state.inconsistent;
      return { mode: state?.mode, inForce, ...status };
    },
    async limit(instance, bytes, room = false) {
      const disks = await quotas.subvolumes();
      const disk = disks.find(({ path }) => path === `containers/${instance}`);
      if (!disk) throw new NoDisk(`there is no disk of ${instance} in the pool, or it is not counted`);
      await quotas.limit(disk.group, room ? Math.max(bytes, disk.used) + ROOM_BYTES : bytes);
    },
  };
}
