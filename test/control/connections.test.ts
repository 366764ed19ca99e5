/** Ten control planes share a PostgreSQL: each has a budget of connections. */

import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { type ControlPlane, connections, controlPlane } from '../../src/control-plane.ts';
import { simulatedBuilder } from '../../src/engine/builder/simulated/builder.ts';
import { simulatedImporter } from '../../src/engine/importer/simulated/importer.ts';
import { connectionOptions, openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { apiClient } from '../support/api-client.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { ended, order } from '../support/droplets.ts';
import { simulatedContext } from '../support/simulated-context.ts';
import { until } from '../support/until.ts';

/** What each may have, and for moments, while address pools grow and during a sweep. */
const usual = 1 + connections.loop + connections.requests;
const most = usual + 2;

let atoll: TestAtoll;
let second: ControlPlane;
let store: Store;
let watcher: pg.Client;
beforeAll(async () => {
  atoll = await startAtoll({ connections: connections.requests, workers: 32 });
  const { address } = atoll.database;
  store = openStore(address, { name: 'second', connections: connections.requests });
  const { compute } = atoll;
  second = controlPlane({
    store,
    address,
    secrets: atoll.keys.secrets,
    compute,
    host: atoll.host,
    importer: simulatedImporter({ compute, clock: systemClock }),
    builder: simulatedBuilder({ clock: systemClock, names: [] }),
    mail: { send: () => Promise.resolve() },
    clock: systemClock,
    log: pino({ level: 'silent' }),
    mode: 'simulated',
    context: simulatedContext,
    rateLimit: { perHour: 1e6, perMinute: 1e6 },
    workers: 32,
  });
  await second.start();
  watcher = new pg.Client(connectionOptions(address, 'watcher'));
  await watcher.connect();
});
afterAll(async () => {
  await watcher.end();
  await second.stop();
  await store.close();
  await atoll.close();
});

it('two control planes under load keep to their budget', async () => {
  // Ten of them fit into what we start PostgreSQL with, beside what the operator needs.
  const allowed = await watcher.query<{ max_connections: string }>('show max_connections');
  expect(10 * most).toBeLessThan(Number(allowed.rows[0]?.max_connections) - 10);
  const count = async () => {
    const { rows } = await watcher.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and application_name <> 'watcher'`,
    );
    return rows[0]?.n ?? 0;
  };
  let seen = 0;
  const watching = setInterval(() => {
    count().then(
      (n) => {
        seen = Math.max(seen, n);
      },
      () => {},
    );
  }, 20);
  const actions: number[] = [];
  await Promise.all(
    [atoll.api, apiClient(() => second.server, atoll.team.token)].flatMap((api) =>
      Array.from({ length: 20 }, async () => {
        const { links } = await api.expect(202, 'POST', '/v2/droplets', order);
        actions.push(links.actions[0].id);
        for (let n = 0; n < 5; n++) await api.expect(200, 'GET', '/v2/droplets?per_page=50');
      }),
    ),
  );
  for (const action of actions) expect((await ended(atoll.api, action)).status).toBe('completed');
  clearInterval(watching);
  expect(seen).toBeGreaterThan(usual);
  expect(seen).toBeLessThanOrEqual(2 * most);
  // The one beside goes when nothing grows for a while.
  await until(async () => (await count()) <= 2 * usual);
});
