/** GET /v2/droplets with 20 droplets, in requests per CPU-second, against bare node:http with the same answer. */
import { call, startSimulated } from './support/atoll.ts';
import { startBareServer } from './support/bare-server.ts';
import { droplet, untilSettled } from './support/droplets.ts';
import { generateLoad } from './support/load.ts';
import { cpuSeconds } from './support/processes.ts';
import { summarise, table, title, verdict } from './support/report.ts';

const rounds = 7;
const load = { method: 'GET', path: '/v2/droplets', connections: 8 } as const;

title('GET /v2/droplets, 20 droplets');
await using atoll = await startSimulated();
await call(atoll, 'POST', '/v2/droplets', { ...droplet, names: numbered(10) });
await call(atoll, 'POST', '/v2/droplets', { ...droplet, names: numbered(10) });
await untilSettled(atoll);
await using bare = await startBareServer({ answer: await call(atoll, 'GET', '/v2/droplets') });

const perCpuSecond: Record<string, number[]> = { Atoll: [], 'bare node:http': [] };
const postgresMs: number[] = [];
const ofAtoll = { ...load, origin: atoll.url, token: atoll.token };
const ofBare = { ...load, origin: bare.url };
await generateLoad({ ...ofAtoll, seconds: 3 });
await generateLoad({ ...ofBare, seconds: 3 });
for (let round = 0; round < rounds; round++) {
  const postgres = atoll.postgres();
  const before = cpuSeconds(postgres);
  const rate = await measure(atoll.node, ofAtoll);
  perCpuSecond.Atoll?.push(rate.perCpuSecond);
  postgresMs.push(((cpuSeconds(postgres) - before) * 1000) / rate.requests);
  perCpuSecond['bare node:http']?.push((await measure(bare.pid, ofBare)).perCpuSecond);
}

table('requests per CPU-second', perCpuSecond, 0);
table('CPU ms per request', { "Atoll's PostgreSQL": postgresMs }, 3);
const [subject, baseline] = Object.values(perCpuSecond).map((values) => summarise(values).median);
verdict('ratio of the medians', (subject ?? 0) / (baseline ?? 1), { atLeast: 0.5 });

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `web-${index}`);
}

async function measure(pid: number, target: typeof ofBare) {
  const before = cpuSeconds([pid]);
  const { requests } = await generateLoad({ ...target, seconds: 2 });
  return { requests, perCpuSecond: requests / (cpuSeconds([pid]) - before) };
}
