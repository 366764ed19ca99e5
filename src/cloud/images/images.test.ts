import { describe, expect, test } from 'vitest';
import type { ImageHost } from '../context.ts';
import { whyNotAdded } from './added.ts';
import { type Image, images, resolveImage } from './catalogue.ts';
import { type PublicImageRow, withAdded } from './public-images.ts';
import { engineImageFor, orderableImage } from './source.ts';
import { imageView } from './view.ts';

const image = (slug: string): Image => {
  const found = resolveImage(slug);
  if (!found) throw new Error(slug);
  return found;
};

const host = (changes: Partial<ImageHost> = {}): ImageHost => ({
  mode: 'real',
  aliases: {},
  available: ['debian-12', 'debian-13'],
  ...changes,
});

test('the catalogue is sound', () => {
  expect(new Set(images.map(({ id }) => id)).size).toBe(images.length);
  expect(new Set(images.map(({ slug }) => slug)).size).toBe(images.length);
  for (const { id, slug, name, distribution, minDisk, createdAt } of images) {
    expect(Number.isSafeInteger(id)).toBe(true);
    expect(slug).toMatch(/^[a-z]+(-[a-z0-9]+)+-x64$/);
    expect(minDisk).toBeGreaterThan(0);
    expect(Date.parse(createdAt)).not.toBeNaN();
    expect(name && distribution).toBeTruthy();
  }
});

test('an image is found by id, by digits and by slug', () => {
  const debian = image('debian-12-x64');
  expect(resolveImage(debian.id)).toBe(debian);
  expect(resolveImage(String(debian.id))).toBe(debian);
  for (const unknown of ['', 'debian-12', '1', 1, -1, 1.5, '9'.repeat(30), 'constructor']) {
    expect(resolveImage(unknown)).toBeUndefined();
  }
});

describe('what stands for an image in the engine', () => {
  test('of one that is built here, the built one', () => {
    expect(engineImageFor(image('debian-13-x64'), host())).toEqual({ ok: 'debian-13' });
  });

  test('of an alias, the one it stands for, in several steps too', () => {
    const aliases = { 'ubuntu-22-04-x64': 'debian-12-x64', 'ubuntu-20-04-x64': 'ubuntu-22-04-x64' };
    expect(engineImageFor(image('ubuntu-22-04-x64'), host({ aliases }))).toEqual({ ok: 'debian-12' });
    expect(engineImageFor(image('ubuntu-20-04-x64'), host({ aliases }))).toEqual({ ok: 'debian-12' });
  });

  test('of aliases that go in a circle, none', () => {
    const aliases = { 'ubuntu-22-04-x64': 'ubuntu-24-04-x64', 'ubuntu-24-04-x64': 'ubuntu-22-04-x64' };
    expect(engineImageFor(image('ubuntu-22-04-x64'), host({ aliases }))).toHaveProperty('error');
  });

  test('of any in simulated mode, one of its name', () => {
    const simulated = host({ mode: 'simulated', available: [] });
    for (const each of images) expect(engineImageFor(each, simulated)).toHaveProperty('ok');
  });
});

describe('an order of what cannot be had', () => {
  test('says what to order, and how to get it', () => {
    expect(() => orderableImage('ubuntu-22-04-x64', host())).toThrow(
      'image ubuntu-22-04-x64 cannot be had on this host. Order debian-12-x64 or debian-13-x64. ' +
        'To have it, the operator runs ./atoll image add ubuntu-22-04-x64 --suite jammy ' +
        '--mirror URL-OF-AN-UBUNTU-MIRROR (or with --url URL-OF-A-CLOUD-IMAGE), ' +
        'or lets another stand for it: ./atoll up --image-alias ubuntu-22-04-x64=debian-12-x64',
    );
  });

  test.for([
    ['debian-11-x64', ' runs ./atoll image add debian-11-x64 --suite bullseye (or with --url'],
    ['rockylinux-9-x64', ' runs ./atoll image add rockylinux-9-x64 --url URL-OF-A-CLOUD-IMAGE, or lets'],
  ])('says of %s how this host gets it', ([slug = '', line]) => {
    expect(() => orderableImage(slug, host())).toThrow(line);
  });

  test('names only what is there', () => {
    expect(() => orderableImage('debian-12-x64', host({ available: ['debian-13'] }))).toThrow(
      /Order debian-13-x64. To have it, the operator runs .\/atoll up, or .*=debian-13-x64$/,
    );
    expect(() => orderableImage('debian-12-x64', host({ available: [] }))).toThrow('Run: ./atoll up');
  });

  test('says so of a slug that is none', () => {
    expect(() => orderableImage('windows-11', host())).toThrow(
      "image 'windows-11' is not an image. GET /v2/images lists them.",
    );
  });
});

describe('what the operator has added', () => {
  const row = (changes: Partial<PublicImageRow>): PublicImageRow => ({
    number: 1,
    id: 900_000_001,
    slug: 'mine',
    nonce: '0a1b2c3d',
    name: 'Mine',
    distribution: 'Debian',
    min_disk_gib: 2,
    bytes: 3 * 1024 ** 3,
    origin: 'file',
    source: 'mine.tar',
    gone_at: null,
    created_at: new Date('2026-01-02T03:04:05.6Z'),
    ready_at: new Date('2026-01-02T03:05:00Z'),
    ...changes,
  });
  const { id } = image('ubuntu-24-04-x64');
  const noble = row({ number: 2, id, slug: 'ubuntu-24-04-x64', name: '', distribution: '' });
  const offered = withAdded([row({}), noble]);
  const names = ['debian-12', 'public-900000001-0a1b2c3d', `public-${id}-0a1b2c3d`];
  const here = host({ available: names });

  test('is ordered by its slug and by its id', () => {
    for (const ref of ['mine', 900_000_001, '900000001'])
      expect(orderableImage(ref, here, offered)).toMatchObject({ slug: 'mine', minDisk: 2 });
    expect(engineImageFor(orderableImage('mine', here, offered), here, offered)).toEqual({ ok: names[1] });
  });

  test('of the catalogue keeps its id, its name and the disk that DigitalOcean asks for', () => {
    const added = orderableImage('ubuntu-24-04-x64', here, offered);
    expect(engineImageFor(added, here, offered)).toEqual({ ok: names[2] });
    expect(imageView(added)).toMatchObject({
      id,
      name: '24.04 (LTS) x64',
      distribution: 'Ubuntu',
      min_disk_size: 7,
      size_gigabytes: 3,
    });
  });

  test('is what an alias may stand for', () => {
    const aliased = host({ available: names, aliases: { 'ubuntu-22-04-x64': 'mine' } });
    expect(engineImageFor(image('ubuntu-22-04-x64'), aliased, offered)).toEqual({ ok: names[1] });
  });

  test('and the engine has lost can be had no more', () => {
    expect(() => orderableImage('mine', host(), offered)).toThrow('./atoll image add mine --url');
  });

  test('and removed is retired, or as it was before', () => {
    const gone_at = new Date();
    const removed = withAdded([row({ gone_at }), { ...noble, gone_at }]);
    expect(removed.resolve('ubuntu-24-04-x64')).toBe(image('ubuntu-24-04-x64'));
    expect(removed.resolve('mine')).toMatchObject({ retired: true, id: 900_000_001 });
    expect(() => orderableImage('mine', here, removed)).toThrow('mine cannot be had on this host');
    const simulated = host({ mode: 'simulated', available: [] });
    expect(() => orderableImage('mine', simulated, removed)).toThrow('mine was removed here');
  });

  test('cannot take the place of what up builds, or of an application', () => {
    expect(whyNotAdded('debian-12-x64', 'real')).toContain('built by ./atoll up');
    expect(whyNotAdded('wordpress-20-04', 'real')).toContain('is an application');
    expect(whyNotAdded('ubuntu-24-04-x64', 'simulated')).toContain('can be ordered already');
    expect(whyNotAdded('ubuntu-24-04-x64', 'real')).toBeUndefined();
    for (const bad of ['', '12345', 'Mine', 'a b', '-a', 'a--b', 'a/b', 'x'.repeat(65)])
      expect(whyNotAdded(bad, 'real')).toContain('is no slug');
  });
});

test('an image is shown as DigitalOcean writes it', () => {
  expect(imageView(image('debian-12-x64'))).toMatchObject({
    name: '12 x64',
    distribution: 'Debian',
    slug: 'debian-12-x64',
    type: 'snapshot',
    public: true,
    status: 'available',
  });
  expect(imageView(image('ubuntu-16-04-x64')).status).toBe('retired');
});
