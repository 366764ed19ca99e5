/** Droplets of an image that the host does not have yet, as after `up`, which waits for the first image only. */
import { afterEach, expect, it } from 'vitest';
import { type DrivenClock, drivenClock } from '../../src/base/clock.ts';
import { noDelays, openWorld, simulatedCompute } from '../../src/engine/compute/simulated/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { order } from '../support/droplets.ts';
import { simulatedContext } from '../support/simulated-context.ts';
import { minutes, pass, seldom } from '../support/time.ts';

let clock: DrivenClock;
let atoll: TestAtoll;
afterEach(() => atoll.close());

async function start(prepare: (atoll: TestAtoll) => void = () => {}): Promise<void> {
  clock = drivenClock();
  const world = await openWorld({ clock, images: ['debian-12'], delays: noDelays });
  const available = ['debian-12'];
  atoll = await startAtoll({
    clock,
    ...seldom,
    buildMs: minutes(2),
    real: {
      compute: simulatedCompute(world),
      context: {
        ...simulatedContext,
        imageHost: { mode: 'real', aliases: {}, available, builds: ['debian-12', 'debian-13'] },
      },
    },
  });
  prepare(atoll);
}
const later = (ms: number) => pass(atoll.database, clock, ms);
const ordered = async (image = 'debian-13-x64') =>
  (await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, image })).droplet.id as number;
const statusOf = async (id: number) =>
  (await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet.status as string;
const slugs = async () =>
  (await atoll.api.expect(200, 'GET', '/v2/images?per_page=200')).images.map(
    ({ slug }: { slug: string }) => slug,
  ) as string[];
const waits = async (id: number) => {
  const row = await atoll.database.store.db
    .selectFrom('reconcile')
    .select('waiting_for')
    .where('kind', '=', 'droplet')
    .where('id', '=', String(id))
    .executeTakeFirstOrThrow();
  return row.waiting_for;
};

it('are accepted, wait with the reason, and run when it is there', async () => {
  await start();
  expect(await slugs()).toEqual(expect.arrayContaining(['debian-12-x64', 'debian-13-x64']));
  const [now, soon] = [await ordered('debian-12-x64'), await ordered()];
  await later(minutes(1));
  expect([await statusOf(now), await statusOf(soon)]).toEqual(['active', 'new']);
  expect(await waits(soon)).toMatch(
    /^busy: the image debian-13 is being built: installing packages, for \d+ s$/,
  );
  await later(minutes(2));
  expect(await statusOf(soon)).toBe('active');
});

it('err with the reason where it cannot be built, and are refused from then on, until it can', async () => {
  await start(({ builder }) => builder.fail('debian-13', 'E: no such suite. Look at /etc/apt'));
  const id = await ordered();
  await later(minutes(2.5));
  const { actions } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}/actions`);
  expect(actions[0]).toMatchObject({ status: 'errored' });
  expect(await slugs()).not.toContain('debian-13-x64');
  const { message } = await atoll.api.expect(422, 'POST', '/v2/droplets', {
    ...order,
    image: 'debian-13-x64',
  });
  expect(message).toMatch(
    /^image debian-13-x64 cannot be had on this host now\. .*E: no such suite.*Order debian-12-x64/,
  );
  await later(minutes(5));
  const again = await ordered();
  await later(minutes(1));
  expect(await statusOf(again)).toBe('active');
});
