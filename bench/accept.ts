/**
 * POST /v2/droplets with the server (Node and PostgreSQL) on one core and the load from another: how many are
 * accepted in a second, and how long each takes, while the loop makes the droplets. The baseline is bare node:http
 * with one INSERT for each request into the same PostgreSQL.
 */
import { parseArgs } from 'node:util';
import { publicKey } from '../test/support/ssh-key.ts';
import { call, startSimulated } from './support/atoll.ts';
import { startBareServer } from './support/bare-server.ts';
import { droplet, untilSettled } from './support/droplets.ts';
import { generateLoad, type LoadResult } from './support/load.ts';
import { cpuSeconds, pin } from './support/processes.ts';
import { summarise, table, title, verdict } from './support/report.ts';

const { values: options } = parseArgs({
  options: {
    /** What the loop works on at once: a simulated create takes 0.2 s, so 40 keep up with 200 per second. */
    workers: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '8' },
  },
});
const seconds = Number(options.seconds);
/** Where the server runs, and where the load comes from. */
const [serverCore, clientCore] = [0, 1];
/** What the target asks for, per second. */
const target = 200;

title('POST /v2/droplets accepted (simulated), server and PostgreSQL on one core');
await using atoll = await startSimulated({ workers: Number(options.workers) });
await atoll.database.query('update teams set droplet_limit = 1000000');
await atoll.database.query(
  'create table bare (id bigint generated always as identity primary key, body jsonb)',
);
await atoll.database.query('alter table bare owner to atoll');
// Over all regions: each has a default VPC of its own, with 4094 addresses.
const { regions } = await call<{ regions: { slug: string }[] }>(atoll, 'GET', '/v2/regions?per_page=200');
// With a key: an order without one costs a password and a letter as well.
const key = { name: 'bench', public_key: publicKey() };
const { ssh_key } = await call<{ ssh_key: { id: number } }>(atoll, 'POST', '/v2/account/keys', key);
const bodies = regions.map(({ slug }, index) =>
  JSON.stringify({ ...droplet, region: slug, name: `web-${index}`, ssh_keys: [ssh_key.id] }),
);
const [answer] = await Promise.all(
  bodies.map((body) => call(atoll, 'POST', '/v2/droplets', JSON.parse(body) as unknown)),
);
await using bare = await startBareServer({ answer, insertInto: `${atoll.home}/pg/sock` });
pin([atoll.node, bare.pid, ...atoll.postgres()], serverCore);

const load = { method: 'POST', path: '/v2/droplets', bodies, core: clientCore } as const;
const ofAtoll = { ...load, origin: atoll.url, token: atoll.token };
const ofBare = { ...load, origin: bare.url };
const runs: Record<'flatOut' | 'steady' | 'bare', LoadResult[]> = { flatOut: [], steady: [], bare: [] };
const cpuMs: Record<'node' | 'postgres', number[]> = { node: [], postgres: [] };
await generateLoad({ ...ofAtoll, connections: 8, seconds: 3 });
await generateLoad({ ...ofBare, connections: 8, seconds: 2 });
for (let round = 0; round < Number(options.rounds); round++) {
  const [node, postgres] = [cpuSeconds([atoll.node]), cpuSeconds(atoll.postgres())];
  const flatOut = await generateLoad({ ...ofAtoll, connections: 8, seconds });
  cpuMs.node.push(((cpuSeconds([atoll.node]) - node) * 1000) / flatOut.requests);
  cpuMs.postgres.push(((cpuSeconds(atoll.postgres()) - postgres) * 1000) / flatOut.requests);
  runs.flatOut.push(flatOut);
  runs.bare.push(await generateLoad({ ...ofBare, connections: 8, seconds }));
  runs.steady.push(await generateLoad({ ...ofAtoll, connections: 64, perSecond: target, seconds }));
}
const drained = performance.now();
await untilSettled(atoll, 600_000);
const drainedSeconds = (performance.now() - drained) / 1000;

const rates = (of: LoadResult[]) => of.map(({ requests, seconds }) => requests / seconds);
table('accepted per second, 8 connections', {
  'Atoll, as fast as it goes': rates(runs.flatOut),
  'bare, one INSERT': rates(runs.bare),
});
table('ms until the answer', {
  'Atoll, as fast as it goes, p50': runs.flatOut.map(({ p50 }) => p50),
  'Atoll, as fast as it goes, p99': runs.flatOut.map(({ p99 }) => p99),
  [`Atoll at ${target}/s, p50`]: runs.steady.map(({ p50 }) => p50),
  [`Atoll at ${target}/s, p99`]: runs.steady.map(({ p99 }) => p99),
  'bare, p99': runs.bare.map(({ p99 }) => p99),
});
table('CPU ms per droplet (with its loop)', { Node: cpuMs.node, PostgreSQL: cpuMs.postgres }, 2);
console.log(`The loop had made all droplets ${drainedSeconds.toFixed(1)} s after the last was accepted.`);
const median = (values: number[]) => summarise(values).median;
verdict('accepted per second', median(rates(runs.flatOut)), { atLeast: target });
verdict(`p99 in ms at ${target}/s`, median(runs.steady.map(({ p99 }) => p99)), { atMost: 100 });
console.log(
  `ratio to bare: ${(median(rates(runs.flatOut)) / median(rates(runs.bare))).toFixed(2)} (no target)`,
);
