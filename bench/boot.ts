/**
 * From POST /v2/droplets to the banner of its sshd, against the same machine made straight through Incus' API: one
 * at a time, then 20 at once against a driver of 4 workers. Needs root and a real Atoll: --home.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { call, openRunning, withoutControlPlane } from './support/atoll.ts';
import { directDriver } from './support/direct.ts';
import { bannerOf, droplet } from './support/droplets.ts';
import { ratio, seconds, table, title } from './support/report.ts';

const { values: options } = parseArgs({
  options: {
    home: { type: 'string' },
    image: { type: 'string', default: 'debian-12' },
    samples: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
  },
});
if (!options.home) throw new Error('Usage: node bench/boot.ts --home DIR [--samples N] [--rounds N]');
const crowd = 20;
/** The best concurrency on two cores. */
const workers = 4;

title('POST /v2/droplets to the banner of sshd, real machines');
await using atoll = openRunning(options.home);
const order = { ...droplet, image: `${options.image}-x64` };
/** Droplets that are to be deleted whatever happens. */
const ordered = new Set<number>();

const pattern = await create('bench-pattern');
await bannerOf(atoll, pattern);
const direct = await directDriver(atoll, pattern, options.image);
const single: Record<string, number[]> = { Atoll: [], 'Incus alone': [] };
const together: Record<string, number[]> = { Atoll: [], 'Incus alone': [] };
try {
  for (let sample = 0; sample < Number(options.samples); sample++) {
    single.Atoll?.push(await seconds(async () => bannerOf(atoll, await create(`bench-${sample}`))));
    await deleteOrdered(pattern);
    single['Incus alone']?.push(
      await withoutControlPlane(atoll, async () => {
        const took = await seconds(() => direct.boot(0));
        await direct.remove(0);
        return took;
      }),
    );
  }
  table('seconds, one at a time', single, 2);
  ratio('one at a time', single, { atMost: 1.25 });

  const numbers = Array.from({ length: crowd }, (_, number) => number);
  for (let round = 0; round < Number(options.rounds); round++) {
    together.Atoll?.push(
      await seconds(() =>
        Promise.all(numbers.map(async (number) => bannerOf(atoll, await create(`bench-${number}`)))),
      ),
    );
    await deleteOrdered(pattern);
    together['Incus alone']?.push(
      await withoutControlPlane(atoll, async () => {
        const waiting = [...numbers];
        const work = async () => {
          for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
            await direct.boot(next);
        };
        const took = await seconds(() => Promise.all(Array.from({ length: workers }, work)));
        for (const number of numbers) await direct.remove(number);
        return took;
      }),
    );
  }
  if (Number(options.rounds) > 0) {
    table(`seconds, ${crowd} at once`, together, 1);
    ratio(`${crowd} at once`, together, { atMost: 1.3 });
  }
} finally {
  await deleteOrdered();
  await direct.close();
}

async function create(name: string): Promise<number> {
  const { droplet } = await call<{ droplet: { id: number } }>(atoll, 'POST', '/v2/droplets', {
    ...order,
    name,
  });
  ordered.add(droplet.id);
  return droplet.id;
}

/** Deletes what was ordered, but for `keep`, and waits until nothing of it is left. */
async function deleteOrdered(keep?: number): Promise<void> {
  const ids = [...ordered].filter((id) => id !== keep);
  await Promise.all(ids.map((id) => call(atoll, 'DELETE', `/v2/droplets/${id}`)));
  for (;;) {
    const { rows } = await atoll.database.query<{ left: number }>(
      'select count(*)::int as left from droplets where id = any($1) and gone_at is null',
      [ids],
    );
    if (rows[0]?.left === 0) break;
    await delay(100);
  }
  for (const id of ids) ordered.delete(id);
}
