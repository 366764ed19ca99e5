/** Memory of the control plane (simulated): Node and all of PostgreSQL's processes, idle and after some requests. */
import { setTimeout as delay } from 'node:timers/promises';
import { call, startSimulated } from './support/atoll.ts';
import { droplet, untilSettled } from './support/droplets.ts';
import { memoryMb } from './support/processes.ts';
import { table, title, verdict } from './support/report.ts';

const runs = 3;
const requests = 200;
const targetMb = 300;

title('Memory of the control plane');
/**
 * PostgreSQL's processes share their buffers, so their PSS is added up, which counts what is shared once; Node's
 * RSS, as if no other Node ran here that shares the program with it.
 */
const together = "Node's RSS and PostgreSQL's PSS";
const figures: Record<string, number[]> = {};
for (let run = 0; run < runs; run++) {
  await using atoll = await startSimulated();
  const look = async (when: string) => {
    // Idle: start-up and the last answer are over.
    await delay(2000);
    const node = memoryMb([atoll.node]);
    const postgres = memoryMb(atoll.postgres());
    const row = (what: string, value: number) => (figures[`${what}, ${when}`] ??= []).push(value);
    row('Node, RSS', node.rss);
    row('PostgreSQL, RSS', postgres.rss);
    row('PostgreSQL, PSS', postgres.pss);
    row(together, node.rss + postgres.pss);
  };
  await look('after start');
  for (let index = 0; index < requests / 20; index++) {
    await Promise.all(
      Array.from({ length: 20 }, (_, number) =>
        number % 2 === 0
          ? call(atoll, 'GET', '/v2/droplets')
          : call(atoll, 'POST', '/v2/droplets', { ...droplet, name: `web-${index}-${number}` }),
      ),
    );
  }
  await untilSettled(atoll);
  await look(`after ${requests} requests`);
}
table('MB', figures);
for (const [what, values] of Object.entries(figures)) {
  if (what.startsWith(together)) verdict(`MB at most, ${what}`, Math.max(...values), { atMost: targetMb });
}
