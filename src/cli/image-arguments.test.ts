import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AddValues, addRequest } from './image-arguments.ts';
import { formatImages } from './image-list.ts';
import { copyOf, labelsOf, withoutSecrets } from './image-sources.ts';
import { systemdOf, systemdWarning } from './image-warnings.ts';

const real = (slug: string, values: AddValues) => addRequest(slug, values, 'real');

describe('atoll image add', () => {
  test('takes a suite and its mirror', () => {
    expect(
      real('ubuntu-24-04-x64', {
        suite: 'noble',
        mirror: 'http://mirror.test/ubuntu/',
        'allow-expired': true,
      }),
    ).toEqual({
      slug: 'ubuntu-24-04-x64',
      name: '24.04 (LTS) x64',
      distribution: 'Ubuntu',
      from: {
        origin: 'suite',
        suite: {
          suite: 'noble',
          mirror: 'http://mirror.test/ubuntu',
          keyring: undefined,
          allowUnsigned: false,
          allowExpired: true,
        },
      },
    });
  });

  test('leaves the name of a new slug to what is added, unless it is given', () => {
    expect(real('mine', { file: '/tmp/mine.tar' })).toEqual({
      slug: 'mine',
      name: undefined,
      distribution: undefined,
      from: { origin: 'file', file: '/tmp/mine.tar' },
    });
    expect(real('mine', { url: 'https://a.test/x', distribution: 'ubuntu', name: 'M' })).toMatchObject({
      name: 'M',
      distribution: 'Ubuntu',
    });
  });

  test.for<[AddValues, string]>([
    [{}, 'one of --suite, --url and --file is needed'],
    [{ suite: 'sid', file: 'a' }, 'one of --suite, --url and --file is needed'],
    [{ suite: 'sid; rm' }, '--suite sid; rm: the code name of a release'],
    [{ suite: 'sid', mirror: 'ftp://a.test' }, '--mirror ftp://a.test: an address'],
    [{ suite: 'sid', mirror: 'http://a.test/ [trusted=yes]' }, 'an address that begins with http'],
    [{ suite: 'sid', mirror: 'http://me:hush@a.test/debian' }, '--mirror: every droplet of the image could'],
    [{ url: 'file:///etc/passwd' }, '--url file:///etc/passwd: an address'],
    [{ file: 'a', mirror: 'http://a.test' }, '--mirror belongs to --suite'],
    [{ file: 'a', 'allow-unsigned': true }, '--allow-unsigned belongs to --suite'],
    [{ suite: 'sid', sha256: '0'.repeat(64) }, '--sha256 belongs to --url or --file'],
    [{ file: 'a', sha256: 'abc' }, '--sha256 is 64 hex digits'],
    [{ file: 'a', name: 'two\nlines' }, '--name may have 255 characters'],
  ])('refuses %j', ([values, why]) => {
    expect(() => real('mine', values)).toThrow(why);
  });

  test('keeps the names of the catalogue', () => {
    expect(() => real('debian-11-x64', { suite: 'bullseye', name: 'X' })).toThrow(
      'debian-11-x64 has its name in the catalogue (Debian 11 x64)',
    );
  });

  test('is only a name in a simulated Atoll', () => {
    expect(addRequest('mine', {}, 'simulated')).toEqual({
      slug: 'mine',
      name: 'mine',
      distribution: 'Unknown',
      from: { origin: 'simulated' },
    });
    expect(() => addRequest('mine', { suite: 'sid' }, 'simulated')).toThrow('leave out --suite');
  });
});

test.for([
  ['Debian GNU/Linux 11 (bullseye)', 'Debian', '11 (bullseye)'],
  ['Ubuntu 24.04.5 LTS', 'Ubuntu', '24.04.5 LTS'],
  ['Rocky Linux 9.4 (Blue Onyx)', 'Rocky Linux', '9.4 (Blue Onyx)'],
  ['AlmaLinux 9', 'Unknown', 'AlmaLinux 9'],
  ['Debian', 'Unknown', 'Debian'],
  ['\u001b[2JMine', 'Unknown', '[2JMine'],
  ['x'.repeat(9999), 'Unknown', 'x'.repeat(255)],
  ['', 'Unknown', 'Linux'],
])('what calls itself %s is %s %s', ([system = '', distribution, name]) => {
  expect(labelsOf(system)).toEqual({ name, distribution });
});

test('of an address neither the password nor the signature is kept', () => {
  expect(withoutSecrets('https://me:hush@a.test:8443/images/x.qcow2?X-Signature=hush#hush')).toBe(
    'https://a.test:8443/images/x.qcow2',
  );
});

test('a file for which there is no room is not copied', async () => {
  const steps = {
    step: async (_name: string, work: (note: () => void) => Promise<unknown>) => work(() => {}),
  };
  const directory = mkdtempSync(join(tmpdir(), 'atoll-copy-'));
  const copy = join(directory, 'copy');
  try {
    await expect(copyOf(import.meta.filename, copy, 10, steps as never)).rejects.toThrow(
      /There is no room for .*image-arguments.test.ts in .*: it has 0 MiB, and 0 MiB can be had there/,
    );
    expect(existsSync(copy)).toBe(false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a systemd that no droplet with volumes boots is told of', () => {
  const status = (version: string) =>
    `Package: systemd-sysv\nVersion: 1\n\nPackage: systemd\nStatus: install ok installed\nVersion: ${version}\n\nPackage: x\n`;
  expect(systemdOf(status('262-1'))).toBe(262);
  expect(systemdOf(status('1:257.8-1~deb13u2'))).toBe(257);
  expect(systemdOf('Package: x\nVersion: 300\n')).toBeUndefined();
  expect(systemdWarning(262)).toContain('./atoll up --volume-mounts off');
  expect([systemdWarning(257), systemdWarning(undefined)]).toEqual([undefined, undefined]);
});

test('atoll image list shows how each came, how large it is, and what uses it', () => {
  const listed = {
    slug: 'mine',
    id: 900_000_001,
    distribution: 'Debian',
    name: 'Mine',
    from: 'file' as const,
    source: 'mine.tar',
    bytes: 2 ** 29,
    addedAt: new Date('2026-01-02T03:04:05Z'),
    droplets: 3,
  };
  const lines = formatImages([
    { ...listed, held: true },
    { ...listed, slug: 'lost', held: false },
  ]).split('\n');
  expect(lines[0]).toMatch(/^SLUG +ID +IMAGE +FROM +SIZE +ADDED +DROPLETS$/);
  expect(lines[1]).toMatch(
    /^mine +900000001 +Debian Mine +file \(mine.tar\) +0.50 GiB +2026-01-02 03:04 +3$/,
  );
  expect(lines[2]).toMatch(/^lost .* 3 +missing in Incus: add it again$/);
});
