/** The code of an older version, checked out beside this one from the repository's history. */
import { execFile } from 'node:child_process';
import { cp, link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { debianMirror, readAptSources } from '../../src/setup/apt-sources.ts';
import { cacheDirectory, imagesOf } from '../../src/setup/images/cache.ts';
import { type ImageName, recipe, recipeDigest } from '../../src/setup/images/recipe.ts';
import { builtImage } from '../../src/setup/images/start-build.ts';
import { osRelease } from '../../src/setup/os-release.ts';
import { isCampaign } from './campaign.ts';
import type { Code } from './cli.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '../..');

export interface OlderAtoll extends Code {
  remove(): Promise<void>;
}

/** Whoever owns the checkout: the tests run as root. */
const git = (...args: string[]) => run('git', ['-c', 'safe.directory=*', '-C', checkout, ...args]);

/** Why there can be no code of this commit. */
export async function whyNoCommit(commit: string): Promise<string | undefined> {
  return git('cat-file', '-e', `${commit}^{commit}`).then(
    () => undefined,
    () => `no commit ${commit} is to be had: it needs git and the whole history (git fetch --unshallow)`,
  );
}

/**
 * Unpacks the code of a commit, with what it depends on, and an image cache of its own: older code would throw away the
 * images of today in the machine's. In the gate its debian-12 is that of today and its debian-13 an empty one, so that none
 * is built; in a campaign it builds them by its own recipes.
 */
export async function olderAtoll(commit: string): Promise<OlderAtoll> {
  const directory = await mkdtemp(join(tmpdir(), 'at-older-'));
  const code = join(directory, 'code');
  const cache = join(directory, 'cache');
  try {
    // The processes of its home run as another user.
    await run('chmod', ['755', directory]);
    await mkdir(code);
    await mkdir(imagesOf(cache), { recursive: true });
    const archive = join(directory, 'code.tar');
    await git('archive', '--output', archive, commit);
    await run('tar', ['-C', code, '-xf', archive]);
    await installDependencies(code);
    await moveCache(code, cache);
    if (!isCampaign) await placeImages(code, imagesOf(cache));
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    launcher: join(code, 'atoll'),
    env: { ATOLL_CACHE: cache },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Those of this checkout, where the lock file is the same; else they are installed, which takes some ten seconds. */
async function installDependencies(code: string): Promise<void> {
  const lockOf = (root: string) => readFile(join(root, 'package-lock.json'), 'utf8');
  if ((await lockOf(code)) === (await lockOf(checkout))) {
    const modules = join(checkout, 'node_modules');
    // Links to the files, where they lie on the same file system: 600 MB otherwise.
    await run('cp', ['-al', modules, code]).catch(() =>
      cp(modules, join(code, 'node_modules'), { recursive: true, verbatimSymlinks: true }),
    );
  } else {
    await run('npm', ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], {
      cwd: code,
      timeout: 300_000,
    });
  }
  // The launcher installs where this is older than the lock file.
  const installed = join(code, 'node_modules/.package-lock.json');
  await rm(installed, { force: true });
  await writeFile(installed, '{}');
}

/** The first versions knew one cache only, that of the machine. */
async function moveCache(code: string, cache: string): Promise<void> {
  for (const file of ['src/host/images/ensure.ts', 'src/host/images/cache.ts']) {
    const text = await readFile(join(code, file), 'utf8').catch(() => '');
    if (text) await writeFile(join(code, file), text.replaceAll('/var/cache/atoll', cache));
  }
}

/** Puts images where the older code looks for those of its recipes. */
async function placeImages(code: string, directory: string): Promise<void> {
  const mirror = debianMirror(readAptSources(), osRelease().codename);
  const older = await olderDigests(code);
  const { file: today } = await builtImage('debian-12', { cacheDir: imagesOf(cacheDirectory) });
  await link(today, join(directory, fileOf('debian-12', older))).catch(() =>
    cp(today, join(directory, fileOf('debian-12', older))),
  );

  const empty = join(directory, '.empty');
  await mkdir(join(empty, 'rootfs/sbin'), { recursive: true });
  const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  // That of today's recipe: this version takes it for its own.
  const properties = { recipe: recipeDigest(recipe('debian-13', mirror)) };
  await writeFile(
    join(empty, 'metadata.yaml'),
    JSON.stringify({ architecture, creation_date: 1_700_000_000, properties }),
  );
  const file = join(directory, fileOf('debian-13', older));
  await run('tar', ['-C', empty, '--zstd', '-cf', file, 'metadata.yaml', 'rootfs']);
  await rm(empty, { recursive: true });
}

const fileOf = (name: ImageName, digests: Record<string, string>) => `${name}-${digests[name]}.tar.zst`;

/** By its own code: the digests of its recipes for this machine's mirror. */
async function olderDigests(code: string): Promise<Record<string, string>> {
  const script = `
    import { existsSync } from 'node:fs';
    const setup = existsSync('src/setup') ? 'src/setup' : 'src/host';
    const load = (file) => import(${JSON.stringify(pathToFileURL(`${code}/`).href)} + setup + '/' + file);
    const [{ debianMirror, readAptSources }, { recipe, recipeDigest }, { osRelease }] =
      await Promise.all(['apt-sources.ts', 'images/recipe.ts', 'os-release.ts'].map(load));
    const mirror = debianMirror(readAptSources(), osRelease().codename);
    const names = ['debian-12', 'debian-13'];
    console.log(JSON.stringify(Object.fromEntries(names.map((name) => [name, recipeDigest(recipe(name, mirror))]))));`;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script];
  const { stdout } = await run(process.execPath, flags, { cwd: code });
  return JSON.parse(stdout) as Record<string, string>;
}
