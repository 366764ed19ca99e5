/**
 * GET /v2/droplets with 20 droplets that each have 5 volumes and 20 snapshots, against 20 that have none, request by
 * request in turn: as they are, and when all of them have just changed, so that each is read and rendered anew.
 */
import { Client } from 'undici';
import { call, startSimulated } from './support/atoll.ts';
import { droplet, untilSettled } from './support/droplets.ts';
import { summarise, table, title, verdict } from './support/report.ts';

const [count, volumes, snapshots] = [20, 5, 20];
const [samples, warmUp] = [400, 200];

title(`GET /v2/droplets, ${count} droplets: ${volumes} volumes and ${snapshots} snapshots each against none`);
await using atoll = await startSimulated();
for (let number = 0; number < count; number++) {
  await call(atoll, 'POST', '/v2/droplets', { ...droplet, name: `plain-${number}`, tags: ['plain'] });
  const ids: string[] = [];
  for (let each = 0; each < volumes; each++) {
    const body = { name: `data-${number}-${each}`, region: droplet.region, size_gigabytes: 1 };
    ids.push((await call<{ volume: { id: string } }>(atoll, 'POST', '/v2/volumes', body)).volume.id);
  }
  const body = { ...droplet, name: `full-${number}`, tags: ['full'], volumes: ids };
  await call(atoll, 'POST', '/v2/droplets', body);
}
await untilSettled(atoll);
for (let each = 0; each < snapshots; each++) {
  const body = { type: 'snapshot', name: `day-${each}` };
  await call(atoll, 'POST', '/v2/droplets/actions?tag_name=full', body);
  await untilSettled(atoll);
}

const client = new Client(atoll.url);
await measure('as they are', async () => {});
await measure('all changed', async () => {
  await atoll.database.query('update droplets set version = version');
});
await client.close();

/** Prints what the two lists take, after `before` each, and how they compare. */
async function measure(what: string, before: () => Promise<void>): Promise<void> {
  const times: Record<string, number[]> = { plain: [], full: [] };
  for (let sample = -warmUp; sample < samples; sample++) {
    for (const [tag, taken] of Object.entries(times)) {
      await before();
      const took = await list(tag);
      if (sample >= 0) taken.push(took);
    }
  }
  table(`ms, ${what}`, times, 2);
  const [plain = 0, full = 0] = Object.values(times).map((each) => summarise(each).median);
  verdict(`ratio of the medians, ${what}`, full / plain, { atMost: 1.2 });
  console.log('');
}

/** Gets a list over one connection and answers how many ms that took. */
async function list(tag: string): Promise<number> {
  const headers = { authorization: `Bearer ${atoll.token}` };
  const start = performance.now();
  const answer = await client.request({ method: 'GET', path: `/v2/droplets?tag_name=${tag}`, headers });
  const text = await answer.body.text();
  const took = performance.now() - start;
  const { droplets } = JSON.parse(text) as { droplets: { volume_ids: string[]; snapshot_ids: number[] }[] };
  const [has, had] = tag === 'full' ? [volumes, snapshots] : [0, 0];
  const right = droplets.filter(
    ({ volume_ids, snapshot_ids }) => volume_ids.length === has && snapshot_ids.length === had,
  );
  if (right.length !== count) throw new Error(`${tag}: ${answer.statusCode} ${text.slice(0, 300)}`);
  return took;
}
