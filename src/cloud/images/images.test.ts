import { describe, expect, test } from 'vitest';
import type { ImageHost } from '../context.ts';
import { type Image, images, resolveImage } from './catalogue.ts';
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
      'image ubuntu-22-04-x64 cannot be had on this host. Order debian-12-x64 or debian-13-x64, ' +
        'or let one stand for it: ./atoll up --image-alias ubuntu-22-04-x64=debian-12-x64',
    );
  });

  test('names only what is there', () => {
    expect(() => orderableImage('debian-12-x64', host({ available: ['debian-13'] }))).toThrow(
      /Order debian-13-x64, or .*=debian-13-x64$/,
    );
    expect(() => orderableImage('debian-12-x64', host({ available: [] }))).toThrow('Run: ./atoll up');
  });

  test('says so of a slug that is none', () => {
    expect(() => orderableImage('windows-11', host())).toThrow(
      "image 'windows-11' is not an image. GET /v2/images lists them.",
    );
  });
});

test('an image is shown as DigitalOcean writes it', () => {
  expect(imageView(image('debian-12-x64').id)).toMatchObject({
    name: '12 x64',
    distribution: 'Debian',
    slug: 'debian-12-x64',
    type: 'snapshot',
    public: true,
    status: 'available',
  });
  expect(imageView(image('ubuntu-16-04-x64').id).status).toBe('retired');
});
