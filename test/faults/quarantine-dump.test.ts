/** What only an older or another database can do. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { until } from '../support/until.ts';
import { idle } from './crash-harness.ts';

// Each starts the control plane twice.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let atoll: TestAtoll;
beforeEach(async () => {
  atoll = await startAtoll({ sweepMs: 250 });
});
afterEach(() => atoll.close());

const db = () => atoll.database.store.db;

it('a control plane killed while versions rise leaves none behind that the host calls stale', async () => {
  const [a, b] = [await createDroplet(atoll.api), await createDroplet(atoll.api)];
  const { reserved_ip, links } = await atoll.api.expect(202, 'POST', '/v2/reserved_ips', {
    droplet_id: a.id,
  });
  await ended(atoll.api, links.actions[0].id);
  const leadsTo = async () => (await atoll.host.addresses()).find(({ ip }) => ip === reserved_ip.ip)?.target;
  const before = await leadsTo();
  // After the dump it went to another droplet.
  const path = `/v2/reserved_ips/${reserved_ip.ip}/actions`;
  for (const body of [{ type: 'unassign' }, { type: 'assign', droplet_id: b.id }])
    await ended(atoll.api, (await atoll.api.expect(201, 'POST', path, body)).action.id);
  await idle(atoll);
  expect(await leadsTo()).not.toBe(before);
  for (const table of ['droplets', 'reserved_ips'])
    await sql`alter table ${sql.table(table)} disable trigger user`.execute(db());
  await db().updateTable('droplets').set({ version: 1 }).execute();
  await db().updateTable('reserved_ips').set({ version: 1, droplet_id: a.id }).execute();
  for (const table of ['droplets', 'reserved_ips'])
    await sql`alter table ${sql.table(table)} enable trigger user`.execute(db());
  await sql`select setval('droplet_versions', 1)`.execute(db());
  // When the numbers have moved and the rows have not.
  await sql`create function killed() returns trigger language plpgsql as $$ begin raise 'killed'; end $$`.execute(
    db(),
  );
  await sql`create trigger killed before update on droplets execute function killed()`.execute(db());
  await expect(atoll.restart()).rejects.toThrow('killed');
  await sql`drop trigger killed on droplets`.execute(db());
  await atoll.restart();
  await until(async () => (await leadsTo()) === before);
});
