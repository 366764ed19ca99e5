/**
 * What is done to droplets, from the request until its action is completed, against the same done straight through
 * Incus' API to a machine like it. Both have 1 GB of data. Needs root and a real Atoll that nobody uses: --home.
 */
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import { paths, readConfig } from '../src/config.ts';
import { volumeDevice, volumeKey } from '../src/engine/compute/incus/spec.ts';
import { call, openRunning, withoutControlPlane } from './support/atoll.ts';
import { sshBanner } from './support/banner.ts';
import { directDriver } from './support/direct.ts';
import { act, bannerOf, droplet, untilSettled } from './support/droplets.ts';
import { ratio, seconds, table, title } from './support/report.ts';

const { values: options } = parseArgs({
  options: {
    home: { type: 'string' },
    samples: { type: 'string', default: '7' },
    only: { type: 'string' },
  },
});
if (!options.home) throw new Error('Usage: node bench/actions.ts --home DIR [--samples N] [--only NAME]');
const home = options.home;

/** One thing done in two ways; what comes before and after them is not timed. */
interface Contest {
  before?(): Promise<unknown>;
  atoll(): Promise<unknown>;
  afterAtoll?(): Promise<unknown>;
  incus(): Promise<unknown>;
  afterIncus?(): Promise<unknown>;
  after?(): Promise<unknown>;
}

title('Actions of droplets, real machines');
await using atoll = openRunning(home);
const { id: atollId } = readConfig(home);
/** What is deleted at the end, the last made first. */
const made: string[] = [];

const mine = await newDroplet('bench-mine', droplet.image);
const other = await newDroplet('bench-other', droplet.image);
await Promise.all([mine, other].map((id) => bannerOf(atoll, id)));
await untilSettled(atoll);
const direct = await directDriver(atoll, mine, 'debian-12');
const { client, url } = direct;
/** Machines that are made straight through Incus: the opponent of `mine`, and copies of it. */
const opponent = 0;
const copy = 1;
const kept = 2;
const forwards = `/1.0/networks/at${atollId}pub/forwards`;
/** Of TEST-NET-3 (RFC 5737). */
const forwarded = '203.0.113.7';

const action = (order: Record<string, unknown>) => act(atoll, `/v2/droplets/${mine}/actions`, order);
const setState = (index: number, change: { action: string; force?: boolean }) =>
  client.request('PUT', `${url(index)}/state`, { body: { timeout: 30, ...change } });
const copyOf = (source: number, index: number) =>
  client.request('POST', '/1.0/instances', {
    body: {
      ...direct.body(index),
      start: false,
      source: { type: 'copy', source: url(source).split('/').at(-1), allow_inconsistent: true },
    },
  });

try {
  await withoutControlPlane(atoll, () => direct.boot(opponent));
  await Promise.all([direct.pattern, url(opponent).split('/').at(-1) ?? ''].map(fillWithData));
  for (const [name, contest] of Object.entries(await contests())) {
    if (options.only && options.only !== name) continue;
    await measure(name, contest);
  }
} finally {
  await client.request('DELETE', `${forwards}/${forwarded}`).catch(() => {});
  for (const index of [opponent, copy, kept]) await direct.remove(index).catch(() => {});
  await direct.close();
  for (const path of made.reverse()) await call(atoll, 'DELETE', path).catch(() => {});
  await untilSettled(atoll);
}

async function measure(name: string, contest: Contest): Promise<void> {
  const took: Record<string, number[]> = { Atoll: [], 'Incus alone': [] };
  await contest.before?.();
  // Once more than asked for: the first time of each is not counted.
  for (let sample = -1; sample < Number(options.samples); sample++) {
    const here = await seconds(contest.atoll);
    await contest.afterAtoll?.();
    const there = await withoutControlPlane(atoll, () => seconds(contest.incus));
    await contest.afterIncus?.();
    if (sample < 0) continue;
    took['Atoll']?.push(here);
    took['Incus alone']?.push(there);
  }
  await contest.after?.();
  table(`${name}, seconds`, took, 3);
  ratio(name, took, { atMost: 1.3 });
}

async function contests(): Promise<Record<string, Contest>> {
  const volume = await newVolume('bench-mine');
  const device = `/dev/atoll-${atollId}/${await newVolume('bench-direct')}`;
  const reserved = await newReservedIp();
  let size = 0;
  let target = 0;
  return {
    snapshot: {
      atoll: () => action({ type: 'snapshot', name: 'bench' }),
      afterAtoll: dropSnapshots,
      incus: () => copyOf(opponent, copy),
      afterIncus: () => client.request('DELETE', url(copy)),
    },
    'create from a snapshot': {
      async before() {
        await action({ type: 'snapshot', name: 'bench' });
        await copyOf(opponent, kept);
      },
      async atoll() {
        const [snapshot] = await snapshots();
        await bannerOf(atoll, await newDroplet('bench-copy', snapshot?.id));
      },
      async afterAtoll() {
        await call(atoll, 'DELETE', made.pop() ?? '');
        await untilSettled(atoll);
      },
      async incus() {
        await direct.announce(copy);
        await copyOf(kept, copy);
        await setState(copy, { action: 'start' });
        await sshBanner(direct.address(copy));
      },
      afterIncus: () => direct.remove(copy),
      async after() {
        await dropSnapshots();
        await client.request('DELETE', url(kept));
      },
    },
    attach: {
      atoll: () => onVolume({ type: 'attach' }),
      afterAtoll: () => onVolume({ type: 'detach' }),
      incus: () =>
        client.request('PATCH', url(opponent), {
          body: { devices: { [volumeKey('bench')]: volumeDevice({ id: 'bench', name: 'bench', device }) } },
        }),
      async afterIncus() {
        const { config, devices } = direct.body(opponent);
        const now = await client.request<{ config: object }>('GET', url(opponent));
        const body = { config: { ...now.config, ...config }, devices, profiles: [] };
        await client.request('PUT', url(opponent), { body });
      },
    },
    'reassign a reserved address': {
      before: () =>
        client.request('POST', forwards, {
          body: { listen_address: forwarded, config: { target_address: direct.address(opponent) } },
        }),
      atoll: () =>
        act(atoll, `/v2/reserved_ips/${reserved}/actions`, {
          type: 'assign',
          droplet_id: [mine, other][target++ % 2],
        }),
      incus: () =>
        client.request('PUT', `${forwards}/${forwarded}`, {
          body: { config: { target_address: direct.address(target % 2) } },
        }),
    },
    reboot: {
      async atoll() {
        await action({ type: 'reboot' });
        await bannerOf(atoll, mine);
      },
      async incus() {
        await direct.announce(opponent);
        await setState(opponent, { action: 'restart' });
        await sshBanner(direct.address(opponent));
      },
    },
    rebuild: {
      async atoll() {
        await action({ type: 'rebuild', image: droplet.image });
        await bannerOf(atoll, mine);
      },
      async incus() {
        await direct.announce(opponent);
        await setState(opponent, { action: 'stop', force: true });
        await client.request('POST', `${url(opponent)}/rebuild`, {
          body: { source: direct.body(opponent).source },
        });
        await setState(opponent, { action: 'start' });
        await sshBanner(direct.address(opponent));
      },
    },
    resize: {
      async before() {
        await action({ type: 'power_off' });
        await setState(opponent, { action: 'stop', force: true });
      },
      atoll: () =>
        action({ type: 'resize', size: ['s-1vcpu-1gb', 's-1vcpu-512mb-10gb'][size++ % 2], disk: false }),
      incus: () =>
        client.request('PATCH', url(opponent), {
          body: { config: { 'limits.memory': ['512MiB', '1024MiB'][size % 2], 'limits.cpu': '1' } },
        }),
    },
  };

  function onVolume(order: Record<string, unknown>) {
    return act(atoll, `/v2/volumes/${volume}/actions`, {
      ...order,
      droplet_id: mine,
      region: droplet.region,
    });
  }
}

async function newDroplet(name: string, image: number | string | undefined): Promise<number> {
  const order = { ...droplet, name, image };
  const answer = await call<{ droplet: { id: number } }>(atoll, 'POST', '/v2/droplets', order);
  made.push(`/v2/droplets/${answer.droplet.id}`);
  return answer.droplet.id;
}

async function newVolume(name: string): Promise<string> {
  const order = { name, region: droplet.region, size_gigabytes: 1 };
  const { volume } = await call<{ volume: { id: string } }>(atoll, 'POST', '/v2/volumes', order);
  made.push(`/v2/volumes/${volume.id}`);
  return volume.id;
}

async function newReservedIp(): Promise<string> {
  type Answer = { reserved_ip: { ip: string } };
  const order = { region: droplet.region };
  const { reserved_ip } = await call<Answer>(atoll, 'POST', '/v2/reserved_ips', order);
  made.push(`/v2/reserved_ips/${reserved_ip.ip}`);
  return reserved_ip.ip;
}

async function snapshots(): Promise<{ id: number }[]> {
  const path = `/v2/droplets/${mine}/snapshots`;
  return (await call<{ snapshots: { id: number }[] }>(atoll, 'GET', path)).snapshots;
}

async function dropSnapshots(): Promise<void> {
  for (const { id } of await snapshots()) await call(atoll, 'DELETE', `/v2/images/${id}`);
  await untilSettled(atoll);
}

/** Writes 1 GB of random bytes into a machine. */
async function fillWithData(machine: string): Promise<void> {
  const write = ['sh', '-c', 'head -c 1G /dev/urandom > /root/data && sync'];
  const env = { ...process.env, INCUS_SOCKET: paths(home).incusSocket };
  await promisify(execFile)('incus', ['exec', machine, '--', ...write], { env });
}
