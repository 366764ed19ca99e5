/** Homes that older versions made, with all that is in them, taken over by `up`: no droplet is rebooted, nothing is lost. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths, readConfig } from '../../src/config.ts';
import { findDaemon } from '../../src/setup/processes.ts';
import { isCampaign } from '../support/campaign.ts';
import { atollCli, mustAtoll, thisCode } from '../support/cli.ts';
import { leftovers } from '../support/leftovers.ts';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type OlderAtoll, olderAtoll, whyNoCommit } from '../support/older-atoll.ts';
import { freePort } from '../support/real-atoll.ts';
import { type RemoteClient, remoteClient } from '../support/remote-client.ts';
import { ssh, sshBanner } from '../support/ssh.ts';
import { until } from '../support/until.ts';
import { versions } from './versions.ts';

interface Placed {
  id: number;
  address: string;
}

const cases = isCampaign ? versions : versions.filter((_, index) => index % (versions.length - 1) === 0);
const oldest = versions[0]?.commit;
const noAtoll = await whyNoAtoll();
const missing = new Map(
  await Promise.all(cases.map(async ({ commit }) => [commit, await whyNoCommit(commit)] as const)),
);

const device = '/dev/disk/by-id/scsi-0DO_Volume_data';
/** As an owner does it whose Atoll does not do it by itself. */
const mountData = `mountpoint -q /mnt/data || { mkdir -p /mnt/data && mount ${device} /mnt/data; }`;
const metadata = (path: string) => `curl -s http://169.254.169.254/metadata/v1/${path}`;
const subvolume = `python3 -c '
import fcntl, os
try: print(fcntl.ioctl(os.open("/root", os.O_RDONLY), 0x5000940e, bytearray(8) + b"sub" + bytearray(4085)))
except OSError as error: print(error.errno)'`;
/** What is lost by a reboot, and what must not be lost at all. */
const identity = [
  'cat /proc/sys/kernel/random/boot_id',
  'kill -0 $(cat /root/sleeper) && echo alive',
  'cat /mnt/data/file',
  'cat /root/user-data',
  'hostname',
  metadata('id'),
  metadata('reserved_ip/ipv4/ip_address'),
  metadata('user-data'),
];

/** What the API answers to somebody who asks all the time: each status, and how long it did not answer at once, ms. */
function watchApi(exports: string) {
  const value = (name: string) => new RegExp(`^export ${name}='?([^'\n]+)`, 'm').exec(exports)?.[1] ?? '';
  const authorization = `Bearer ${value('DIGITALOCEAN_TOKEN')}`;
  const statuses = new Set<number>();
  let longest = 0;
  const ended = new AbortController();
  const watching = (async () => {
    let answered = performance.now();
    while (!ended.signal.aborted) {
      const status = await fetch(`${value('DIGITALOCEAN_API_URL')}/v2/droplets`, {
        headers: { authorization },
      }).then(
        (answer) => answer.text().then(() => answer.status),
        () => undefined,
      );
      if (status !== undefined) {
        statuses.add(status);
        longest = Math.max(longest, performance.now() - answered);
        answered = performance.now();
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return async () => {
    ended.abort();
    await watching;
    return { statuses: [...statuses], longest };
  };
}

/** Runs `up` and kills it as soon as it has printed this. */
async function upKilledAt(home: string, text: string): Promise<void> {
  const up = spawn(thisCode.launcher, ['up'], { env: { ...process.env, ATOLL_HOME: home }, stdio: 'pipe' });
  let printed = '';
  up.stdout.on('data', (data: Buffer) => {
    printed += data.toString();
    if (printed.includes(text)) up.kill('SIGKILL');
  });
  await new Promise((resolve) => up.once('close', resolve));
  expect(printed).toContain(text);
  expect(printed).not.toContain('Ready in');
}

/** Runs `up` and kills the control plane that it starts in the middle of its first take-over. */
async function upWithKilledControlPlane(home: string): Promise<void> {
  const up = atollCli(home)('up');
  const mark = join(paths(home).hostdState, 'cloud');
  expect(existsSync(mark)).toBe(false);
  await until(() => existsSync(mark));
  const control = findDaemon(home, 'control');
  expect(control).toBeDefined();
  if (control) process.kill(control.pid, 'SIGKILL');
  const { code, stderr } = await up;
  expect(code, stderr).toBe(1);
  expect(stderr).toContain('control ended while it started');
}

/** A home of older code with a droplet that `try` ordered, and one that has all that a droplet can have. */
async function furnish(home: string, older: OlderAtoll) {
  const old = mustAtoll(home, older);
  await old('try', '--port', String(await freePort()));
  const exports = await old('env');
  const api = remoteClient(exports);
  const [tried] = (await api.expect(200, 'GET', '/v2/droplets')).droplets;
  const disk = { name: 'data', region: 'nyc3', size_gigabytes: 1, filesystem_type: 'ext4' };
  const volume: string = (await api.expect(201, 'POST', '/v2/volumes', disk)).volume.id;
  const { droplet, address } = await api.droplet({
    name: 'keeper',
    user_data: '#!/bin/sh\necho ran >> /root/user-data\n',
    tags: ['kept'],
    volumes: [volume],
  });
  const keeper: Placed = { id: droplet.id, address };
  const assigned = await api.expect(202, 'POST', '/v2/reserved_ips', { droplet_id: keeper.id });
  const reserved: string = assigned.reserved_ip.ip;
  expect(await api.ended(assigned.links.actions[0].id)).toMatchObject({ status: 'completed' });
  await sshBanner(address);
  await ssh(home, address, [
    'cloud-init status --wait >/dev/null',
    `${mountData}; echo kept > /mnt/data/file`,
    'echo one > /root/bytes; sync',
    'nohup sleep infinity >/dev/null 2>&1 & echo $! > /root/sleeper',
  ]);
  await api.act(keeper.id, { type: 'snapshot', name: 'kept' });
  const [image] = (await api.expect(200, 'GET', `/v2/droplets/${keeper.id}`)).droplet.snapshot_ids;
  await ssh(home, address, ['echo two > /root/bytes; sync']);
  const before = await ssh(home, address, identity);
  expect(before).toEqual([
    expect.stringMatching(/^[0-9a-f-]{36}$/),
    'alive',
    'kept',
    'ran',
    'keeper',
    String(keeper.id),
    reserved,
    expect.stringContaining('echo ran'),
  ]);
  const first: Placed = { id: tried.id, address: tried.networks.v4[0].ip_address };
  return { exports, api, first, keeper, volume, reserved, image: Number(image), before };
}

describe.each(cases)('a home of $commit ($date)', ({ commit, outdated }) => {
  describe('taken over by up', unless(noAtoll ?? missing.get(commit)), () => {
    // `up` makes it, so that it is what a person gets.
    const home = join(tmpdir(), `at-${randomBytes(4).toString('hex')}`);
    const atoll = mustAtoll(home);
    const inside = (address: string, ...commands: string[]) => ssh(home, address, commands);
    let older: OlderAtoll;
    let api: RemoteClient;
    let exports: string;
    let keeper: Placed;
    let first: Placed;
    let volume: string;
    let reserved: string;
    let image: number;
    let before: string[];

    const droplets = async () => (await api.expect(200, 'GET', '/v2/droplets')).droplets;
    const status = async () => JSON.parse(await atoll('status', '--json'));
    const volumeAct = async (id: string, body: object) => {
      const { action } = await api.expect(202, 'POST', `/v2/volumes/${id}/actions`, body);
      expect(await api.ended(action.id)).toMatchObject({ status: 'completed' });
    };

    beforeAll(async () => {
      older = await olderAtoll(commit);
      ({ exports, api, first, keeper, volume, reserved, image, before } = await furnish(home, older));
    });
    afterAll(async () => {
      await atollCli(home)('destroy', '--yes', '--keep-cache');
      await older?.remove();
    });

    it('also when that was killed before, its droplets run on, with all that they have', async () => {
      const watched = watchApi(exports);
      if (commit === oldest) {
        expect(findDaemon(home, 'control')).toBeDefined();
        await upKilledAt(home, '✓ database schema');
        // Older code does not go on with a schema that it does not know, though nobody is there to start another.
        await until(() => findDaemon(home, 'control') === undefined);
        await upWithKilledControlPlane(home);
      }
      await atoll('up');
      const { statuses, longest } = await watched();
      console.log(`${commit}: the API did not answer for ${Math.round(longest)} ms`);
      // None of an error, such as of code that met another schema.
      expect(statuses).toEqual([200]);
      expect(await inside(keeper.address, ...identity)).toEqual(before);
      expect(await inside(reserved, 'hostname')).toEqual(['keeper']);
      // Which 2d0cf2f did not tell: what hosts tell droplets is that of today, too.
      const active = metadata('reserved_ip/ipv6/active');
      await until(
        async () => (await inside(keeper.address, active))[0] === 'false',
        30_000,
        'the metadata follow',
        250,
      );
      expect((await droplets()).map((each: { status: string }) => each.status)).toEqual(['active', 'active']);
      const kept = await api.expect(200, 'GET', '/v2/droplets?tag_name=kept');
      expect(kept.droplets).toMatchObject([{ id: keeper.id, volume_ids: [volume], snapshot_ids: [image] }]);
      expect(JSON.parse(await atoll('orphans', '--json'))).toEqual({ untrusted: null, orphans: [] });
    });

    it('status says what is in force at the next start of a droplet only, and then it is', async () => {
      const waiting = (ids: number[]) =>
        outdated.length === 0
          ? []
          : ids.map((id) => expect.objectContaining({ urn: `do:droplet:${id}`, settings: outdated }));
      const seen = await status();
      expect(seen).toMatchObject({ healthy: true, droplets: 2, quarantined: 0, missing: [] });
      expect(seen.outdated).toEqual(waiting([first.id, keeper.id]));
      await api.act(keeper.id, { type: 'reboot' });
      await sshBanner(keeper.address);
      const [boot, file] = await inside(
        keeper.address,
        identity[0] ?? '',
        `${mountData}; cat /mnt/data/file`,
      );
      expect(boot).not.toBe(before[0]);
      expect(file).toBe('kept');
      // ENOTTY, by what is written into the config of a machine today.
      expect(await inside(keeper.address, subvolume)).toEqual(['25']);
      expect((await status()).outdated).toEqual(waiting([first.id]));
    });

    // The steps of the newest are those of today, which other tests take.
    const all = isCampaign || commit === oldest ? [commit] : [];
    it.each(all)('the droplets of %s can do all that new ones can', async () => {
      await api.act(keeper.id, { type: 'restore', image });
      await sshBanner(keeper.address);
      expect(await inside(keeper.address, 'cat /root/bytes', 'cat /root/user-data')).toEqual(['one', 'ran']);
      await volumeAct(volume, { type: 'detach', droplet_id: keeper.id });
      await volumeAct(volume, { type: 'attach', droplet_id: first.id });
      const request = { name: 'more', region: 'nyc3', size_gigabytes: 1, filesystem_type: 'xfs' };
      const { volume: more } = await api.expect(201, 'POST', '/v2/volumes', request);
      await volumeAct(more.id, { type: 'attach', droplet_id: first.id });
      expect(await inside(first.address, 'cat /mnt/data/file', 'findmnt -no FSTYPE /mnt/more')).toEqual([
        'kept',
        'xfs',
      ]);
      const assign = { type: 'assign', droplet_id: first.id };
      const { action } = await api.expect(201, 'POST', `/v2/reserved_ips/${reserved}/actions`, assign);
      expect(await api.ended(action.id)).toMatchObject({ status: 'completed' });
      expect(await inside(reserved, metadata('id'))).toEqual([String(first.id)]);
    });

    it('all can be deleted, and nothing stays', async () => {
      await api.expect(204, 'DELETE', `/v2/reserved_ips/${reserved}`);
      for (const { id } of [first, keeper]) await api.expect(204, 'DELETE', `/v2/droplets/${id}`);
      const { volumes } = await api.expect(200, 'GET', '/v2/volumes');
      for (const { id } of volumes as { id: string }[])
        await until(
          async () => (await api.call('DELETE', `/v2/volumes/${id}`)).status === 204,
          30_000,
          'the volume is free',
          250,
        );
      await api.expect(204, 'DELETE', `/v2/images/${image}`);
      await until(async () => (await api.machines(home)).length === 0, 30_000, 'no machine is left', 250);
      const { id } = readConfig(home);
      await atoll('destroy', '--yes', '--keep-cache');
      expect(leftovers(home, id)).toEqual([]);
      expect(existsSync(home)).toBe(false);
    });
  });
});
