import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { poolName } from '../../config.ts';
import type { IncusClient } from '../../engine/compute/incus/client.ts';
import { debianMirror, readAptSources } from '../apt-sources.ts';
import { type Done, withIncus } from '../incus-setup.ts';
import { osRelease } from '../os-release.ts';
import { buildImage } from './build.ts';
import { type ImageName, recipe, recipeDigest } from './recipe.ts';

/** What the Atolls of a machine share and can build again. ATOLL_CACHE: another one, which may be empty. */
export const standardCache = '/var/cache/atoll';
export const cacheDirectory = process.env.ATOLL_CACHE || standardCache;
/** Where images are: `<name>-<digest of the recipe>.tar.zst`. */
export const imagesOf = (cache: string): string => join(cache, 'images');

interface StoredImage {
  fingerprint: string;
  properties: Record<string, string>;
  aliases: { name: string }[];
}

/**
 * Sees to it that Incus has this image, made by the recipe of today, under the alias of its name, and that its
 * first droplet need not wait for it to be unpacked into the pool. Builds it where the cache does not hold it.
 * An image of an older recipe is replaced; droplets made from it are not touched. Different images may be
 * ensured side by side.
 */
export async function ensureImage(
  {
    socket,
    name,
    cacheDir = imagesOf(cacheDirectory),
  }: { socket: string; name: ImageName; cacheDir?: string },
  log: (line: string) => void,
): Promise<Done> {
  const what = recipe(name, debianMirror(readAptSources(), osRelease().codename));
  const digest = recipeDigest(what);
  return withIncus(socket, async (incus) => {
    const images = await incus.request<StoredImage[]>('GET', '/1.0/images?recursion=1');
    const current = images.find((image) => image.properties.recipe === digest);
    const named = images.find((image) => image.aliases.some((alias) => alias.name === name));
    if (current && named === current) return { changed: false };

    const fingerprint =
      current?.fingerprint ?? (await importImage(incus, await buildImage(what, cacheDir, log)));
    await warm(incus, name, fingerprint);
    const alias = { description: '', target: fingerprint };
    if (named) await incus.request('PUT', `/1.0/images/aliases/${name}`, { body: alias });
    else await incus.request('POST', '/1.0/images/aliases', { body: { name, ...alias } });
    log(`${name}: ready`);
    if (named) await incus.request('DELETE', `/1.0/images/${named.fingerprint}`);
    return { changed: true };
  });
}

async function importImage(incus: IncusClient, file: string): Promise<string> {
  const { fingerprint } = await incus.request<{ fingerprint: string }>('POST', '/1.0/images', {
    body: createReadStream(file),
  });
  return fingerprint;
}

/** The first instance of an image unpacks it into the pool, which takes seconds; the next ones are snapshots. */
export async function warm(incus: IncusClient, name: string, fingerprint: string): Promise<void> {
  const instance = `warm-${name}`;
  const path = `/1.0/instances/${instance}`;
  // Left over from an interrupted run.
  if (await incus.find(path)) await incus.request('DELETE', path);
  await incus.request('POST', '/1.0/instances', {
    body: {
      name: instance,
      type: 'container',
      start: false,
      profiles: [],
      source: { type: 'image', fingerprint },
      devices: { root: { type: 'disk', path: '/', pool: poolName } },
    },
  });
  await incus.request('DELETE', path);
}
