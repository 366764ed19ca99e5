import { setTimeout as delay } from 'node:timers/promises';
import type { BenchAtoll } from './atoll.ts';

/** A request body for the smallest droplet, but for its name. */
export const droplet = { region: 'nyc3', size: 's-1vcpu-512mb-10gb', image: 'debian-12-x64' };

/** Waits until the loop has nothing left to do. Throws after `timeoutMs`. */
export async function untilSettled({ database }: BenchAtoll, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { rows } = await database.query<{ dirty: number }>(
      'select count(*)::int as dirty from reconcile where done < wanted',
    );
    if (rows[0]?.dirty === 0) return;
    if (performance.now() > deadline)
      throw new Error(`${rows[0]?.dirty} resources are still to be reconciled`);
    await delay(50);
  }
}
