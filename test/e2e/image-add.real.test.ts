/** A public image that the operator adds from a tarball: droplets of it boot, and it comes and goes without harm to them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheDirectory, imagesOf } from '../../src/setup/images/cache.ts';
import { atollCli } from '../support/cli.ts';
import { leftovers } from '../support/leftovers.ts';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type RealAtoll, startRealAtoll } from '../support/real-atoll.ts';
import { ssh, sshBanner } from '../support/ssh.ts';
import { until } from '../support/until.ts';

const slug = 'debian-11-x64';
let real: RealAtoll;
let directory: string;
let tarball: string;

/** The root filesystem of the image that `up` has built, as one that somebody packed by hand. */
function packByHand(): string {
  const cached = readdirSync(imagesOf(cacheDirectory)).find((name) => name.startsWith('debian-12-'));
  const file = join(directory, 'rootfs.tar');
  const unpack = ['-C', directory, '--zstd', '--numeric-owner', '--xattrs', '--xattrs-include=*'];
  execFileSync('tar', [...unpack, '-xf', join(imagesOf(cacheDirectory), cached ?? ''), 'rootfs']);
  // What makes it a droplet's is for `image add` to bring again.
  const ours = ['usr/lib/python3/dist-packages/atoll', 'etc/cloud/cloud.cfg.d/95-atoll.cfg'];
  for (const path of ours) rmSync(join(directory, 'rootfs', path), { recursive: true });
  writeFileSync(join(directory, 'rootfs/etc/proof'), 'of the tarball\n');
  execFileSync('tar', ['-C', join(directory, 'rootfs'), '--numeric-owner', '-cf', file, '.']);
  rmSync(join(directory, 'rootfs'), { recursive: true });
  return file;
}

describe('atoll image add', unless(await whyNoAtoll()), () => {
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'at-tarball-'));
    real = await startRealAtoll();
    const key = join(real.home, 'try', 'id_ed25519');
    mkdirSync(join(real.home, 'try'), { recursive: true, mode: 0o700 });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const public_key = readFileSync(`${key}.pub`, 'utf8');
    await real.api.expect(201, 'POST', '/v2/account/keys', { name: 'e2e', public_key });
    tarball = packByHand();
  });
  afterAll(async () => {
    await real?.destroy();
    rmSync(directory, { recursive: true, force: true });
  });

  const order = { name: 'one-more', region: 'nyc3', size: 's-1vcpu-1gb', image: slug };
  const publicImages = async () =>
    (JSON.parse(await real.atoll('image', 'list', '--json')) as { slug: string; droplets: number }[]).filter(
      (each) => each.slug === slug,
    );

  it('takes a tarball, of which a droplet boots that has its keys and runs its user data', async () => {
    const refused = await real.api.expect(422, 'POST', '/v2/droplets', order);
    expect(refused.message).toContain(`./atoll image add ${slug} --suite bullseye`);
    expect(await real.atoll('image', 'add', slug, '--file', tarball)).toContain(`${slug} can be ordered.`);
    const user_data = '#!/bin/sh\necho ran > /root/user-data\n';
    const { address } = await real.api.droplet({ name: 'of-tarball', image: slug, user_data });
    await sshBanner(address);
    const ran = async () => (await ssh(real.home, address, ['cat /root/user-data || true']))[0] === 'ran';
    await until(ran, 120_000, 'the user data has run', 500);
    expect(await ssh(real.home, address, ['cat /etc/proof', 'hostname'])).toEqual([
      'of the tarball',
      'of-tarball',
    ]);
    expect(await publicImages()).toMatchObject([
      { from: 'file', source: 'rootfs.tar', droplets: 1, held: true },
    ]);
  });

  it('refuses what it is not, and leaves what is there', async () => {
    const cli = atollCli(real.home);
    const wrong = await cli('image', 'add', slug, '--file', tarball, '--sha256', '0'.repeat(64));
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('its SHA-256 is') });
    // As one leaves it that is killed while it unpacks an image ahead.
    const incus = (...args: string[]) =>
      execFileSync('incus', args, {
        env: { ...process.env, INCUS_DIR: join(real.home, 'incus') },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    incus('init', 'debian-12', 'warm-public-106557160-deadbeef', '--storage', 'main');
    const text = join(directory, 'text');
    writeFileSync(text, 'no image\n'.repeat(1000));
    expect(await cli('image', 'add', slug, '--file', text)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('It is no disk image'),
    });
    expect(await publicImages()).toMatchObject([{ droplets: 1, held: true }]);
    expect(readdirSync(real.home)).not.toContain('adding');
    expect(incus('list', '--format', 'csv', '--columns', 'n')).not.toContain('warm-');
  });

  it('lets nobody order what it has removed, and leaves the droplet', async () => {
    await real.atoll('image', 'remove', slug);
    expect(await publicImages()).toEqual([]);
    await real.api.expect(422, 'POST', '/v2/droplets', order);
    const { droplets } = await real.api.expect(200, 'GET', '/v2/droplets');
    expect(droplets).toMatchObject([{ status: 'active', image: { slug } }]);
    await sshBanner(droplets[0].networks.v4[0].ip_address);
    expect(await atollCli(real.home)('image', 'remove', 'debian-12-x64')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is built by ./atoll up'),
    });
  });

  it('leaves nothing behind', async () => {
    await real.destroy();
    expect(leftovers(real.home, real.id)).toEqual([]);
  });
});
