/** Every 1-Click application on a droplet of its own: what it promises is there after the first boot. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applications } from '../../src/cloud/one-clicks/index.ts';
import { leftovers } from '../support/leftovers.ts';
import { unless, whyNoAtoll } from '../support/obstacles.ts';
import { type RealAtoll, startRealAtoll } from '../support/real-atoll.ts';
import { ssh } from '../support/ssh.ts';
import { until } from '../support/until.ts';

const obstacle = await whyNoAtoll();
let real: RealAtoll;
const addresses = new Map<string, string>();

/** A user's own cloud-config; its lists must not take the place of the application's. */
const userData = `#cloud-config
packages: [tree]
runcmd: ['curl -s http://localhost/ > /root/seen-by-runcmd']
`;

// The smallest there is: each application must fit.
const size = 's-1vcpu-512mb-10gb';

beforeAll(async () => {
  real = await startRealAtoll();
  const key = { name: 'e2e', public_key: makeKey(real.home) };
  await real.api.expect(201, 'POST', '/v2/account/keys', key);
  await Promise.all(
    applications.map(async ({ slug }) => {
      const extra = slug === 'nginx' ? { user_data: userData } : {};
      const { address } = await real.api.droplet({ name: slug, size, image: slug, ...extra });
      addresses.set(slug, address);
    }),
  );
});
afterAll(() => real?.destroy());

/** The key by which `ssh` of the test's support logs in. */
function makeKey(home: string): string {
  const file = join(home, 'try', 'id_ed25519');
  mkdirSync(join(home, 'try'), { recursive: true, mode: 0o700 });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8');
}

/** Runs commands in the droplet of an application once its first boot is done. */
async function inside(slug: string, commands: string[]): Promise<string[]> {
  const address = addresses.get(slug) ?? '';
  const done = async () =>
    (
      await ssh(real.home, address, ['test -e /run/cloud-init/result.json && echo done || true']).catch(
        () => [],
      )
    )[0] === 'done';
  await until(done, 280_000, `the first boot of ${slug} is done`, 1000);
  return ssh(real.home, address, commands);
}

/** A web server of Perl's core alone: an image that holds the interpreter and its libraries can run it. */
const perlServer = [
  'socket(S, 2, 1, 0); bind(S, pack("S n N x8", 2, 80, 0)); listen(S, 5);',
  'while (accept(C, S)) {',
  'sysread(C, $_, 9999); syswrite(C, "HTTP/1.0 200 OK\\r\\n\\r\\nfrom a container"); close(C); }',
].join(' ');

/** What an image needs to be of use: a few programs of the droplet's own, and the libraries they load. */
const localImage = [
  'programs="/bin/cat /bin/echo /usr/bin/perl"',
  'tar -ch $(ldd $programs | grep -o "/[^ :]*" | sort -u) | docker import - local > /dev/null',
].join('; ');

const page = async (slug: string) => (await fetch(`http://${addresses.get(slug)}/`)).text();

describe.each(applications.map(({ slug }) => slug))('%s', unless(obstacle), (slug) => {
  it('boots without a complaint', async () => {
    const [result, state] = await inside(slug, [
      'cat /run/cloud-init/result.json',
      'systemctl is-system-running',
    ]);
    expect(JSON.parse(result ?? '')).toMatchObject({ v1: { errors: [] } });
    expect(state).toBe('running');
  });
});

describe('the applications serve what they promise:', unless(obstacle), () => {
  it('nginx, and the user’s own packages and commands run beside it', async () => {
    const [seen, tree] = await inside('nginx', ['cat /root/seen-by-runcmd', 'command -v tree']);
    expect(seen).toContain('Welcome to nginx');
    expect(await page('nginx')).toContain('Welcome to nginx');
    expect(tree).toBe('/usr/bin/tree');
  });

  it('LAMP runs PHP, and MariaDB takes the password that was left for root', async () => {
    const [one, mode] = await inside('lamp-20-04', [
      `. /root/.digitalocean_password; mariadb -h 127.0.0.1 -u root -p"$root_mysql_pass" -Nse 'select 40 + 2'`,
      'stat -c %a:%U /root/.digitalocean_password',
    ]);
    expect([one, mode]).toEqual(['42', '600:root']);
    expect(await page('lamp-20-04')).toContain('PHP 8.2 answers here');
  });

  it('WordPress asks for the name of the site', async () => {
    const [tables] = await inside('wordpress-20-04', [
      `. /root/.digitalocean_password; mariadb -h 127.0.0.1 -u wordpress -p"$wordpress_mysql_pass" -Nse 'show databases'`,
    ]);
    expect(tables).toContain('wordpress');
    const html = await page('wordpress-20-04');
    expect(html).toContain('WordPress &rsaquo; Installation');
    const style = /href='([^']+dashicons[^']*\.css[^']*)'/.exec(html)?.[1] ?? '';
    expect((await fetch(style)).status).toBe(200);
  });

  it('Node.js runs a first server behind nginx', async () => {
    const [npm] = await inside('nodejs-20-04', ['npm --version']);
    expect(npm).toMatch(/^\d+\./);
    expect(await page('nodejs-20-04')).toMatch(/^Hello from Node\.js v\d+/);
  });

  it('PostgreSQL takes the password that was left for its superuser', async () => {
    const [answer] = await inside('postgresql', [
      `. /root/.digitalocean_password; PGPASSWORD=$postgres_pass psql -h 127.0.0.1 -U postgres -Atc 'select 40 + 2'`,
    ]);
    expect(answer).toBe('42');
  });

  it('Docker runs containers, with the ports they publish and the memory they may have', async () => {
    const [hello, limit, served] = await inside('docker-20-04', [
      `${localImage}; docker run --rm local /bin/echo hello`,
      'docker run --rm -m 64m local /bin/cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null || true',
      `docker run -d -p 8080:80 local /usr/bin/perl -e '${perlServer}' >/dev/null; sleep 1; curl -s http://127.0.0.1:8080/`,
    ]);
    expect(hello).toBe('hello');
    expect(limit).toBe(String(64 * 1024 * 1024));
    expect(served).toBe('from a container');
    const published = await fetch(`http://${addresses.get('docker-20-04')}:8080/`);
    expect(await published.text()).toBe('from a container');
  });

  it('no two droplets have a password in common', async () => {
    const slugs = ['lamp-20-04', 'wordpress-20-04', 'postgresql'];
    const files = await Promise.all(slugs.map((slug) => inside(slug, ['cat /root/.digitalocean_password'])));
    const passwords = files.flatMap(([text = '']) => text.match(/[0-9a-f]{32}/g) ?? []);
    expect(passwords).toHaveLength(4);
    expect(new Set(passwords).size).toBe(4);
  });
});

it('nothing is left when they are destroyed', unless(obstacle), async () => {
  await real.destroy();
  expect(leftovers(real.home, real.id)).toEqual([]);
});
