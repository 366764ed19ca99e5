/**
 * A month of backups, on a driven clock over the simulated world: how long it takes, and whether it is right. Time moves
 * in steps of ten minutes, as a loop would see it that is busy for a while.
 * `--droplets 1000 --daily 0 --days 30 --workers 32`: how many of the droplets are backed up daily, the others weekly.
 */
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { drivenClock } from '../src/base/clock.ts';
import { bootstrap } from '../src/cloud/account/index.ts';
import { simulatedImages } from '../src/cloud/images/index.ts';
import { controlPlane } from '../src/control-plane.ts';
import { simulatedBuilder } from '../src/engine/builder/simulated/builder.ts';
import { noDelays, openWorld, simulatedCompute } from '../src/engine/compute/simulated/index.ts';
import { simulatedImporter } from '../src/engine/importer/simulated/importer.ts';
import { simulatedHost } from '../src/engine/node/simulated/host.ts';
import { ensurePostgres, stopPostgres } from '../src/setup/postgres.ts';
import { ensureUser } from '../src/setup/user.ts';
import { migrate } from '../src/store/migrate.ts';
import { openStore } from '../src/store/open.ts';
import { testSecrets } from '../test/support/secrets.ts';
import { simulatedContext } from '../test/support/simulated-context.ts';
import { days, idle, minutes, seldom } from '../test/support/time.ts';
import { temporaryHome } from './support/atoll.ts';
import { title, verdict } from './support/report.ts';

const { values } = parseArgs({
  options: {
    droplets: { type: 'string', default: '1000' },
    daily: { type: 'string', default: '0' },
    days: { type: 'string', default: '30' },
    workers: { type: 'string', default: '32' },
  },
});
const droplets = Number(values.droplets);
const daily = Number(values.daily);
const month = Number(values.days);
const step = minutes(10);
title(`${droplets} droplets, ${daily} of them backed up daily, the others weekly, for ${month} days`);

// A Thursday, at noon.
const clock = drivenClock(new Date('2026-01-01T12:00:00Z'));
const home = temporaryHome();
const { user } = await ensureUser();
const { socketDir } = await ensurePostgres({ home, user });
const address = { socketDir };
const store = openStore(address, { name: 'bench', connections: 16 });
await migrate(store.pool);
const world = await openWorld({ clock, images: simulatedImages(), delays: noDelays });
const compute = simulatedCompute(world);
const keys = testSecrets();
const plane = controlPlane({
  store,
  address,
  secrets: keys.secrets,
  compute,
  host: simulatedHost(),
  importer: simulatedImporter({ compute, clock }),
  builder: simulatedBuilder({ clock, names: [] }),
  mail: { send: () => Promise.resolve() },
  clock,
  log: pino({ level: 'error' }),
  mode: 'simulated',
  context: simulatedContext,
  rateLimit: { perHour: 1e9, perMinute: 1e9 },
  workers: Number(values.workers),
  ...seldom,
});
try {
  await plane.start();
  const token = (await bootstrap(store, clock))?.token ?? '';
  for (let made = 0; made < droplets; made += 10) {
    const backup_policy = made < daily ? { plan: 'daily', hour: 4 } : { plan: 'weekly', weekday: 'SUN' };
    const answer = await plane.server.inject({
      method: 'POST',
      url: '/v2/droplets',
      headers: { authorization: `Bearer ${token}` },
      payload: {
        names: Array.from({ length: 10 }, (_, index) => `web-${made + index}`),
        region: 'nyc3',
        size: 's-1vcpu-1gb',
        image: 'debian-12-x64',
        backups: true,
        backup_policy,
      },
    });
    if (answer.statusCode !== 202) throw new Error(answer.body);
  }
  await idle({ store }, clock, 300_000);
  const began = performance.now();
  await passMonth();
  const seconds = (performance.now() - began) / 1000;

  const { rows } = await store.pool.query<{ taken: number; errored: number; kept: number; busy: number }>(
    `select count(*) filter (where status = 'completed') as taken, count(*) filter (where status <> 'completed') as errored,
       (select count(*) from images where deleted_at is null) as kept,
       (select count(*) from droplets where pending_action_id is not null) as busy
     from actions where type = 'backup'`,
  );
  const seen = rows[0] ?? { taken: 0, errored: 0, kept: 0, busy: 0 };
  const weekly = droplets - daily;
  // Of the weekly ones none is old enough to go in a month; a day's backup stays for seven days.
  const sundays = Math.floor((month + 4) / 7);
  const expected = {
    taken: daily * month + weekly * sundays,
    errored: 0,
    kept: daily * Math.min(month, 7) + weekly * sundays,
    busy: 0,
  };
  console.log(`seen     ${JSON.stringify({ ...seen, inEngine: world.snapshots.size })}`);
  console.log(`expected ${JSON.stringify({ ...expected, inEngine: expected.kept })}`);
  const wrong = (Object.keys(expected) as (keyof typeof expected)[]).filter(
    (key) => seen[key] !== expected[key],
  );
  if (wrong.length > 0 || world.snapshots.size !== expected.kept) throw new Error('the counts are not right');
  verdict('seconds of real time', seconds, { atMost: 60 });
  console.log(`${(seen.taken / seconds).toFixed(0)} backups per second`);
} finally {
  await plane.stop();
  await world.close();
  await store.close();
  keys.remove();
  await stopPostgres(home);
  rmSync(home, { recursive: true, force: true });
}

/** Lets the month pass: from one step in which something falls due to the next, each when all before is done. */
async function passMonth(): Promise<void> {
  const end = clock.now().getTime() + days(month);
  for (let now = clock.now().getTime(); now < end; now = clock.now().getTime()) {
    const { rows } = await store.pool.query<{ due: Date | null }>(
      'select min(due) as due from reconcile where done < wanted and owner is null',
    );
    const due = Math.ceil((rows[0]?.due?.getTime() ?? end) / step) * step;
    await clock.advance(Math.min(Math.max(due, now + step), end) - now);
    await idle({ store }, clock, 300_000);
  }
}
