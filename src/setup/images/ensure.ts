import { createReadStream } from 'node:fs';
import { poolName } from '../../config.ts';
import type { IncusClient } from '../../engine/compute/incus/client.ts';
import { type Done, withIncus } from '../incus-setup.ts';
import { cacheDirectory, imagesOf, recipeHere } from './cache.ts';
import { type ImageName, recipeDigest } from './recipe.ts';
import { builtImage } from './start-build.ts';

interface StoredImage {
  fingerprint: string;
  properties: Record<string, string>;
  aliases: { name: string }[];
}

/**
 * Sees to it that Incus has this image, made by the recipe of today, under the alias of its name, and that its
 * first droplet need not wait for it to be unpacked into the pool. Builds it where the cache does not hold it.
 * Answers which build it is of. An image of an older recipe is replaced; droplets made from it are not touched. Different images may be
 * ensured side by side.
 */
export async function ensureImage(
  {
    socket,
    name,
    cacheDir = imagesOf(cacheDirectory),
  }: { socket: string; name: ImageName; cacheDir?: string },
  log: (line: string) => void,
): Promise<Done & { digest: string }> {
  const wanted = recipeDigest(recipeHere(name));
  return withIncus(socket, async (incus) => {
    const images = await incus.request<StoredImage[]>('GET', '/1.0/images?recursion=1');
    const current = images.find((image) => image.properties.recipe === wanted);
    const named = images.find((image) => image.aliases.some((alias) => alias.name === name));
    if (current && named === current) return { changed: false, digest: current.properties.build ?? wanted };

    const built = current ? undefined : await builtImage(name, { cacheDir, step: log });
    const fingerprint = current?.fingerprint ?? (await importImage(incus, built?.file ?? ''));
    await warm(incus, name, fingerprint);
    const alias = { description: '', target: fingerprint };
    if (named) await incus.request('PUT', `/1.0/images/aliases/${name}`, { body: alias });
    else await incus.request('POST', '/1.0/images/aliases', { body: { name, ...alias } });
    log(`${name}: ready`);
    if (named) await incus.request('DELETE', `/1.0/images/${named.fingerprint}`);
    return { changed: true, digest: built?.digest ?? current?.properties.build ?? wanted };
  });
}

async function importImage(incus: IncusClient, file: string): Promise<string> {
  const { fingerprint } = await incus.request<{ fingerprint: string }>('POST', '/1.0/images', {
    body: createReadStream(file),
  });
  return fingerprint;
}

/** What `warm` names its instances by. */
const warming = 'warm-';

/** Removes what a `warm` that was killed has left of images whose names begin so; for whoever knows that none is under way. */
export async function clearWarm(incus: IncusClient, names: string): Promise<void> {
  const paths = await incus.request<string[]>('GET', '/1.0/instances');
  for (const path of paths.filter((each) => each.startsWith(`/1.0/instances/${warming}${names}`)))
    await incus.request('DELETE', path);
}

/** The first instance of an image unpacks it into the pool, which takes seconds; the next ones are snapshots. */
export async function warm(incus: IncusClient, name: string, fingerprint: string): Promise<void> {
  const instance = `${warming}${name}`;
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
