/** Starting a machine means that its init lives: Incus calls it a success also where that ends at once. */
import { sleep } from '../../../base/clock.ts';
import { EngineError } from '../../../base/engine-error.ts';
import type { IncusContext } from './context.ts';
import { says } from './errors.ts';
import { type IncusInstance, instancePath, powerKey } from './instances.ts';

/** How long init must live for a machine to count as started, in ms: one that cannot run ends within a few. */
const firstMs = 100;
/** How long Incus may take to clear up after an init that has ended, in ms: it takes 600. */
const clearingMs = 5_000;
const pollMs = 50;

/**
 * Calls `start`, which starts the machine of this name in Incus. Throws `failed` where init did not live, and what
 * `start` throws; the machine is seen as stopped by then. Until Incus has cleared up it shows one whose init is dead as
 * running, which would pass for a success.
 */
export async function boot(context: IncusContext, name: string, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'failed') await cleared(context, name);
    throw error;
  }
  await sleep(context.clock, firstMs);
  if (await initLives(context, name)) return;
  await cleared(context, name);
  throw new EngineError('failed', `incus: ${name} was started and stopped at once: its init did not live`);
}

async function initLives({ client }: IncusContext, name: string): Promise<boolean> {
  try {
    return (await client.request<{ pid: number }>('GET', `${instancePath(name)}/state`)).pid > 0;
  } catch (error) {
    if (says(error, /invalid PID/i)) return false;
    throw error;
  }
}

async function cleared({ client, clock }: IncusContext, name: string): Promise<void> {
  const until = clock.now().getTime() + clearingMs;
  while (clock.now().getTime() < until) {
    const machine = await client.find<IncusInstance>(instancePath(name));
    if (!machine || (machine.status === 'Stopped' && machine.config[powerKey] !== 'RUNNING')) return;
    await sleep(clock, pollMs);
  }
}
