/** Where the images lie that this machine has built, and which of them are there. */
import { execFile } from 'node:child_process';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianMirror, readAptSources } from '../apt-sources.ts';
import { osRelease } from '../os-release.ts';
import { type Recipe, type RecipeName, recipe, recipeDigest } from './recipe.ts';

/** What the Atolls of a machine share and can build again. ATOLL_CACHE: another one, which may be empty. */
export const standardCache = '/var/cache/atoll';
export const cacheDirectory = process.env.ATOLL_CACHE || standardCache;
/** Where images are: `<name>-<digest of the recipe>-<digest of the build>.tar.zst`. */
export const imagesOf = (cache: string): string => join(cache, 'images');

/** An image that was built. */
export interface BuiltImage {
  file: string;
  /** Of the recipe and of the versions of all packages. */
  digest: string;
  builtAt: Date;
  /** What it takes unpacked; builds of before did not say. */
  bytes: number;
}

/** How long what no Atoll of the machine uses is kept, ms. */
const unusedMs = 30 * 24 * 3_600_000;

/** A recipe as it is on this machine. Throws where the machine's APT sources name no Debian mirror. */
export const recipeHere = (name: RecipeName): Recipe =>
  recipe(name, debianMirror(readAptSources(), osRelease().codename));

/** The names of images; the digest of the build is absent in those of before, and so is the size. */
const imageFile = /^(.+)-([0-9a-f]{16})(?:-([0-9a-f]{16})-(\d+))?\.tar\.zst$/;

export const imageFileName = (what: Recipe, build: { digest: string; bytes: number }): string =>
  `${what.name}-${recipeDigest(what)}-${build.digest}-${build.bytes}.tar.zst`;

/** What there is of a recipe, the newest first. */
export async function builtImages(what: Recipe, cacheDir: string): Promise<BuiltImage[]> {
  const wanted = recipeDigest(what);
  const found: BuiltImage[] = [];
  for (const each of await filesIn(cacheDir)) {
    const [, name, ofRecipe = '', digest = ofRecipe, bytes = ''] = imageFile.exec(each) ?? [];
    if (name !== what.name || ofRecipe !== wanted) continue;
    const file = join(cacheDir, each);
    // Another build may have taken its place just now.
    const stats = await stat(file).catch(() => undefined);
    if (stats) found.push({ file, digest, builtAt: stats.birthtime, bytes: Number(bytes) || stats.size * 3 });
  }
  return found.toSorted((a, b) => b.builtAt.getTime() - a.builtAt.getTime());
}

/** Those that were found whole by this process. */
const whole = new Set<string>();

/**
 * The newest build of a recipe. A power cut or a bad disk may leave one that no engine takes in, and that would never be
 * built anew as long as it lies there: a damaged one is removed.
 */
export async function newestBuild(what: Recipe, cacheDir: string): Promise<BuiltImage | undefined> {
  for (const built of await builtImages(what, cacheDir)) {
    if (await isWhole(built.file)) return built;
    await rm(built.file, { force: true });
  }
  return undefined;
}

/** By the checksum that zstd has put in; looked at once, which takes less than a second. */
async function isWhole(file: string): Promise<boolean> {
  const stats = await stat(file).catch(() => undefined);
  if (!stats) return false;
  const known = `${file} ${stats.ino} ${stats.size} ${stats.birthtimeMs}`;
  if (whole.has(known)) return true;
  try {
    await promisify(execFile)('zstd', ['--test', '--quiet', file]);
  } catch (error) {
    // It was not looked at: whoever takes the image in will tell.
    return typeof (error as { code?: unknown }).code !== 'number';
  }
  whole.add(known);
  return true;
}

/** Notes that an image is used: by how long ago that was, it is kept. */
export async function noteUse(file: string, at: Date): Promise<void> {
  await utimes(file, at, at).catch(() => {});
}

/** Removes all other images of that name: of older recipes, and older builds. */
export async function removeOthers(name: string, kept: string, cacheDir: string): Promise<void> {
  for (const each of await filesIn(cacheDir))
    if (imageFile.exec(each)?.[1] === name && join(cacheDir, each) !== kept)
      await rm(join(cacheDir, each), { force: true });
}

/** Removes what no Atoll of this machine has used for a month; answers the names of the files. */
export async function removeUnused(cacheDir: string, now: Date): Promise<string[]> {
  const removed: string[] = [];
  for (const each of await filesIn(cacheDir)) {
    if (!imageFile.test(each)) continue;
    const stats = await stat(join(cacheDir, each)).catch(() => undefined);
    if (!stats || now.getTime() - stats.mtime.getTime() < unusedMs) continue;
    await rm(join(cacheDir, each), { force: true });
    removed.push(each);
  }
  return removed;
}

async function filesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
