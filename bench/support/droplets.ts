import { setTimeout as delay } from 'node:timers/promises';
import { type BenchAtoll, call } from './atoll.ts';
import { sshBanner } from './banner.ts';

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

/**
 * Waits for the banner of a droplet's sshd. The API tells the address once the droplet is up; the database knows it
 * from the first moment.
 */
export async function bannerOf({ database }: BenchAtoll, id: number): Promise<void> {
  const { rows } = await database.query<{ address: string }>(
    'select host(public_ipv4) as address from droplets where id = $1',
    [id],
  );
  await sshBanner(rows[0]?.address ?? '');
}

/** Orders an action, as `POST` on its path, and waits for its end as a client does. Throws where it errs. */
export async function act(atoll: BenchAtoll, path: string, order: Record<string, unknown>): Promise<void> {
  type Answer = { action: { id: number; status: string } };
  let { action } = await call<Answer>(atoll, 'POST', path, order);
  while (action.status === 'in-progress') {
    await delay(5);
    ({ action } = await call<Answer>(atoll, 'GET', `/v2/actions/${action.id}`));
  }
  if (action.status !== 'completed') throw new Error(`${JSON.stringify(order)} on ${path}: ${action.status}`);
}
