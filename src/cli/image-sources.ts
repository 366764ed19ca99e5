/** From where an image comes to a file that Incus takes in. */
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile, mkdir, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { distributionOf } from '../cloud/images/index.ts';
import { download } from '../engine/importer/download.ts';
import { type Converted, imageConversions } from '../hostd/images/conversions.ts';
import { buildImage } from '../setup/images/build.ts';
import type { BuiltImage } from '../setup/images/cache.ts';
import { suiteRecipe } from '../setup/images/suite.ts';
import type { ImageSource } from './image-arguments.ts';
import { withoutCloudInit } from './image-warnings.ts';
import type { Steps } from './steps.ts';

/** An image that is ready to be taken in, and what it says of itself. */
export interface PreparedImage {
  /** A unified tarball of Incus. */
  file: string;
  /** What it takes unpacked. */
  bytes: number;
  minDiskGib: number;
  name: string;
  distribution: string;
  /** For a person: where it came from. */
  source: string;
  /** What the operator should know of it. */
  warnings: string[];
}

/** Room that is left on the disk, bytes. */
const reserveBytes = 1024 ** 3;
/** hostd's own bound, bytes. */
const mostBytes = 1024 ** 4;
const silenceMs = 60_000;
const conversionMs = 2 * 3_600_000;
/** A droplet of our own images has this much to work in, at the least: `minDisk` of the catalogue. */
const roomyGib = 7;

const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Makes an image of what the operator named, in `directory`, which is empty. @throws Error saying what is wrong with it */
export async function prepareImage(
  slug: string,
  from: Exclude<ImageSource, { origin: 'simulated' }>,
  directory: string,
  steps: Steps,
): Promise<PreparedImage> {
  if (from.origin === 'suite') return ofSuite(slug, from, directory, steps);
  const exchange = join(directory, 'exchange');
  await mkdir(exchange, { mode: 0o700 });
  const fetched = join(exchange, 'image.download');
  const room = await roomIn(directory);
  if (from.origin === 'url') await fetchUrl(from.url, fetched, room, steps);
  else await copyOf(from.file, fetched, room, steps);
  await checkDigest(fetched, from.sha256, steps);
  // What was fetched has taken its part of the room.
  const converted = await convert({ directory, exchange, maxBytes: await roomIn(directory) }, steps);
  const { bytes, minDiskGib, system, cloudInit } = converted;
  return {
    file: join(exchange, 'image.tar.zst'),
    bytes,
    minDiskGib,
    ...labelsOf(system),
    source: from.origin === 'url' ? withoutSecrets(from.url) : basename(from.file),
    warnings: cloudInit ? [] : [withoutCloudInit],
  };
}

/** How many bytes an image may take that is made here. @throws Error where that is nothing */
async function roomIn(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  const room = Math.min(mostBytes, bavail * bsize - reserveBytes);
  if (room > 0) return room;
  throw new Error(`There is no room for an image in ${directory}: make some on that disk.`);
}

/** An address as it may be kept and shown: names, passwords and signatures are for the download alone. */
export function withoutSecrets(address: string): string {
  const { origin, pathname } = new URL(address);
  return origin + pathname;
}

/** `Debian` and `11 (bullseye)` of `Debian GNU/Linux 11 (bullseye)`, as the API has names beside their distributions. */
export function labelsOf(told: string): Pick<PreparedImage, 'name' | 'distribution'> {
  // It is the image's word, which tenants and the terminal are shown: held to what --name may be.
  const system =
    told
      .replaceAll(/\p{Cc}+/gu, ' ')
      .trim()
      .slice(0, 255) || 'Linux';
  const words = system.split(' ');
  for (const count of [2, 1]) {
    const distribution = distributionOf(words.slice(0, count).join(' '));
    const name = words
      .slice(count)
      .join(' ')
      .replace(/^(GNU\/)?Linux /, '');
    if (distribution !== 'Unknown' && name !== '') return { name, distribution };
  }
  return { name: system, distribution: 'Unknown' };
}

async function ofSuite(
  slug: string,
  { suite: request }: Extract<ImageSource, { origin: 'suite' }>,
  directory: string,
  { step }: Steps,
): Promise<PreparedImage> {
  let sources: Awaited<ReturnType<typeof suiteRecipe>> | undefined;
  await step('mirror', async () => {
    sources = await suiteRecipe(slug, request, { now: new Date() });
    return sources.recipe.sources.map(({ suite }) => suite).join(', ');
  });
  if (!sources) throw new Error('the mirror told nothing');
  const { recipe, release } = sources;
  const cacheDir = join(directory, 'build');
  await mkdir(cacheDir, { mode: 0o700 });
  let built: BuiltImage | undefined;
  await step('build', async (note) => {
    built = await buildImage(recipe, { cacheDir }, note);
    return `from ${recipe.sources[0]?.uri}, ${mib((await stat(built.file)).size)} packed`;
  });
  if (!built) throw new Error('the build has told nothing');
  const { file, bytes } = built;
  return {
    file,
    bytes,
    minDiskGib: roomyGib,
    name: `${release.version ?? release.codename} x64`,
    distribution: distributionOf(release.origin),
    source: `${request.suite} of ${recipe.sources[0]?.uri}`,
    warnings: [],
  };
}

async function fetchUrl(url: string, file: string, maxBytes: number, { step }: Steps): Promise<void> {
  await step('download', async (note) => {
    await download(url, file, {
      // The operator named the address: any is right.
      rules: { allowed: ['0.0.0.0/0', '::/0'], own: [] },
      maxBytes,
      idleMs: silenceMs,
      signal: new AbortController().signal,
      onProgress: (seen, total) => note(total === undefined ? mib(seen) : `${mib(seen)} of ${mib(total)}`),
    });
    return mib((await stat(file)).size);
  });
}

export async function copyOf(from: string, file: string, room: number, { step }: Steps): Promise<void> {
  await step('copy', async () => {
    const there = await stat(from).catch((cause: unknown) => {
      throw new Error(`${from} cannot be read: name a disk image or a tarball by --file.`, { cause });
    });
    if (!there.isFile()) throw new Error(`${from} is no file: pack it by tar first.`);
    if (there.size > room)
      throw new Error(
        `There is no room for ${from} in ${dirname(file)}: it has ${mib(there.size)}, and ${mib(room)} can be had there.`,
      );
    await copyFile(from, file, constants.COPYFILE_FICLONE);
    return mib(there.size);
  });
}

async function checkDigest(file: string, wanted: string | undefined, { step }: Steps): Promise<void> {
  if (wanted === undefined) return;
  await step('checksum', async () => {
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    const found = hash.digest('hex');
    if (found !== wanted)
      throw new Error(`The image is not the one that was meant: its SHA-256 is ${found}, not ${wanted}.`);
    return 'right';
  });
}

/**
 * By the program that hostd runs for teams' images, in its sandbox. Not by hostd itself: it may be told to convert
 * nothing of strangers', and this is the operator's own.
 */
async function convert(
  { directory, exchange, maxBytes }: { directory: string; exchange: string; maxBytes: number },
  { step }: Steps,
): Promise<Converted> {
  const conversions = imageConversions({ exchange, work: join(directory, 'work') });
  await conversions.start();
  let converted: Converted | undefined;
  await step('convert', async () => {
    converted = await conversions.convert(
      'image',
      { maxBytes, timeoutMs: conversionMs },
      new AbortController().signal,
    );
    return `${converted.system}, ${mib(converted.bytes)}`;
  });
  if (!converted) throw new Error('the conversion answered nothing');
  return converted;
}
