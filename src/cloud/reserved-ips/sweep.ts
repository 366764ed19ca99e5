import { sql } from 'kysely';
import { wake } from '../../control/reconcile.ts';
import { EngineError } from '../../engine/errors.ts';
import { reservedIpKind } from '../addresses/index.ts';
import type { ReservedIpEngines } from './reconcile.ts';
import { wantedAddresses } from './wanted.ts';

/**
 * Compares the host's reserved addresses with the database once: those that nobody holds are taken out of force, and
 * those out of step are woken. Answers how many of each.
 */
export async function sweepReservedIps({
  host,
  store,
  clock,
  log,
}: ReservedIpEngines): Promise<{ woken: number; orphans: number }> {
  const inForce = await host.addresses();
  // Older than the row of whoever reserves one of them from now on, whose address must not be taken away again.
  const { rows } = await sql<{
    generation: number;
  }>`select nextval('droplet_versions') as generation`.execute(store.db);
  const generation = rows[0]?.generation ?? 0;
  const wanted = await wantedAddresses(store.db);
  const held = new Set(wanted.map(({ ip }) => ip));
  const swept = { woken: 0, orphans: 0 };
  for (const { ip } of inForce) {
    if (held.has(ip)) continue;
    log.warn({ ip }, 'a reserved address that nobody holds is withdrawn');
    await host.withdrawAddress(ip, generation).catch(unlessStale);
    swept.orphans++;
  }
  const targets = new Map(inForce.map(({ ip, target }) => [ip, target ?? null]));
  for (const { ip, target, released } of wanted) {
    if (!released && targets.get(ip) === target) continue;
    await wake(store.db, reservedIpKind, ip, clock.now());
    swept.woken++;
  }
  return swept;
}

/** Somebody has reserved it meanwhile: it is no orphan. */
function unlessStale(error: unknown): void {
  if (!(error instanceof EngineError && error.kind === 'rejected')) throw error;
}
