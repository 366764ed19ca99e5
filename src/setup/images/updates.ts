/** Whether the mirror has newer packages than an image was built of. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../command.ts';
import { preferencesOf, type Recipe } from './recipe.ts';

/** How its working directories begin, which are removed like those of builds. */
export const updatesPrefix = '.updates-';

const timeoutMs = 10 * 60_000;

/**
 * The packages of a built image that the mirror has newer ones of now, as `openssl 3.5.1 → 3.5.2`: APT says what it would
 * do in the image, with the recipe's sources, in a directory of its own. Throws CommandError where the mirror cannot be
 * asked.
 */
export async function updatesOf(what: Recipe, file: string, directory: string): Promise<string[]> {
  const work = await mkdtemp(join(directory, updatesPrefix));
  const inside = (path: string) => join(work, path);
  try {
    for (const path of ['state/lists/partial', 'cache/archives/partial', 'none'])
      await mkdir(inside(path), { recursive: true });
    const flags = ['--zstd', '-xOf', file, 'rootfs/var/lib/dpkg/status'];
    const { stdout: status } = await run('tar', flags, { timeoutMs });
    await writeFile(inside('status'), status);
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
    const lines = what.sources.map(({ uri, suite }) => `deb [signed-by=${keyring}] ${uri} ${suite} main\n`);
    await writeFile(inside('sources.list'), lines.join(''));
    await writeFile(inside('preferences'), preferencesOf(what));
    await writeFile(inside('apt.conf'), configuration(work));
    const env = { APT_CONFIG: inside('apt.conf'), LC_ALL: 'C' };
    await run('apt-get', ['-qq', '-o', 'APT::Update::Error-Mode=any', 'update'], { env, timeoutMs });
    const { stdout } = await run('apt-get', ['-qq', '--simulate', 'dist-upgrade'], { env, timeoutMs });
    return updatesIn(stdout);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const configuration = (work: string): string =>
  Object.entries({
    'Dir::State': 'state',
    'Dir::State::status': 'status',
    'Dir::Cache': 'cache',
    'Dir::Etc::sourcelist': 'sources.list',
    'Dir::Etc::sourceparts': 'none',
    'Dir::Etc::preferences': 'preferences',
    'Dir::Etc::preferencesparts': 'none',
  })
    .map(([key, path]) => `${key} "${join(work, path)}";\n`)
    .join('');

/** What APT's simulation says it would install: `Inst openssl [3.5.1] (3.5.2 Debian:13.8/stable [amd64])`. */
export const updatesIn = (simulated: string): string[] =>
  [...simulated.matchAll(/^Inst (\S+) (?:\[(\S+)\] )?\((\S+)/gm)].map(
    ([, name, before = 'none', after]) => `${name} ${before} → ${after}`,
  );
