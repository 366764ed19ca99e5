/** What hosts hold for droplets is what this version makes of their rows, also where another one has handed it over. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet } from '../support/droplets.ts';
import { simulatedContext } from '../support/simulated-context.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeEach(async () => {
  atoll = await startAtoll();
});
afterEach(() => atoll.close());

async function wakes(): Promise<number> {
  const { rows } = await sql<{ wanted: number }>`select sum(wanted)::integer as wanted from reconcile
    where kind = 'droplet'`.execute(atoll.database.store.db);
  return rows[0]?.wanted ?? 0;
}

it('entries are handed over anew where this version makes others, once', async () => {
  const { id } = await createDroplet(atoll.api);
  const before = await atoll.host.published(id);
  expect(before).toBeDefined();
  const { network } = simulatedContext;
  // As a version does that tells droplets of other name servers.
  const context = { ...simulatedContext, network: { ...network, nameservers: ['192.0.2.53'] } };
  await atoll.restart({ context });
  await until(async () => (await atoll.host.published(id)) !== before);
  const after = await atoll.host.published(id);
  const woken = await wakes();
  await atoll.restart({ context });
  expect(await wakes()).toBe(woken);
  expect(await atoll.host.published(id)).toBe(after);
});
