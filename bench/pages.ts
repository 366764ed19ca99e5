/** Pages of GET /v2/droplets with 100 droplets and with 100,000, request by request in turn. */
import { Client } from 'undici';
import { type BenchAtoll, startSimulated } from './support/atoll.ts';
import { summarise, table, title, verdict } from './support/report.ts';
import { commonTag, rareTag, seedDroplets } from './support/seed.ts';

const samples = 300;
const [few, many] = [100, 100_000];

title(`Pages of 20 of GET /v2/droplets: ${few} droplets against ${many}`);
await using small = await startSimulated();
await using large = await startSimulated();
await seedDroplets(small, few);
await seedDroplets(large, many);

const pages: Record<string, (count: number) => string> = {
  first: () => '',
  middle: (count) => `?page=${Math.ceil(count / 20 / 2)}`,
  last: (count) => `?page=${count / 20}`,
  'by name': (count) => `?name=seed-${count / 2}`,
  'by tag, of 10': () => `?tag_name=${rareTag}`,
  'by tag, of a tenth': () => `?tag_name=${commonTag}`,
  'by tag, of a tenth, middle': (count) => `?tag_name=${commonTag}&page=${Math.ceil(count / 10 / 20 / 2)}`,
};
const clients = { [few]: clientOf(small), [many]: clientOf(large) };
for (const [page, queryOf] of Object.entries(pages)) {
  const times: Record<string, number[]> = { [few]: [], [many]: [] };
  for (let sample = -200; sample < samples; sample++) {
    for (const count of [few, many]) {
      const took = await clients[count]?.(queryOf(count));
      // The first ones warm up.
      if (sample >= 0 && took !== undefined) times[count]?.push(took);
    }
  }
  table(`ms, ${page} page`, times, 2);
  const [fewMs = 0, manyMs = 0] = [few, many].map((count) => summarise(times[count] ?? []).median);
  verdict(`ratio of the medians, ${page} page`, manyMs / fewMs, { atMost: 1.5 });
  console.log('');
}
await Promise.all(Object.values(clients).map((client) => client.close()));

/** A function that gets a page over one connection and answers how many ms that took. */
function clientOf({ url, token }: BenchAtoll) {
  const client = new Client(url);
  const get = async (query: string): Promise<number> => {
    const start = performance.now();
    const headers = { authorization: `Bearer ${token}` };
    const answer = await client.request({ method: 'GET', path: `/v2/droplets${query}`, headers });
    const text = await answer.body.text();
    const took = performance.now() - start;
    if (answer.statusCode !== 200 || !text.includes('"name":"seed-'))
      throw new Error(`${query}: ${answer.statusCode} ${text.slice(0, 200)}`);
    return took;
  };
  return Object.assign(get, { close: () => client.close() });
}
