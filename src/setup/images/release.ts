/** What a mirror says about one of its suites: the Release file of an archive of Debian's kind. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from '../command.ts';

export interface Release {
  /** Who made the archive: `Debian`, `Ubuntu`. */
  origin: string;
  codename: string;
  /** `24.04`; absent for testing and unstable. */
  version?: string;
  components: string[];
  /** After this it is not to be trusted any more. */
  validUntil?: Date;
  /** Whether there is a signature: APT checks whose. */
  signed: boolean;
}

/** Parses a Release file, or one with its signature around it (InRelease). */
export function parseRelease(text: string): Release {
  const field = (name: string) => new RegExp(`^${name}: *(\\S.*?) *$`, 'm').exec(text)?.[1];
  const validUntil = field('Valid-Until');
  const version = field('Version');
  return {
    origin: field('Origin') ?? 'Unknown',
    codename: field('Codename') ?? field('Suite') ?? '',
    ...(version !== undefined && { version }),
    components: field('Components')?.split(/\s+/) ?? [],
    ...(validUntil !== undefined && { validUntil: new Date(validUntil) }),
    signed: text.startsWith('-----BEGIN PGP SIGNED MESSAGE-----'),
  };
}

/** The same program that APT fetches by, with the proxies that this machine has for APT. */
const helper = '/usr/lib/apt/apt-helper';

/**
 * What a mirror says of a suite; undefined where it does not have it.
 * @throws Error where the mirror does not answer
 */
export async function releaseOf(mirror: string, suite: string): Promise<Release | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-release-'));
  const get = async (name: string): Promise<string | undefined> => {
    const file = join(directory, name);
    try {
      await run(helper, ['download-file', `${mirror}/dists/${suite}/${name}`, file], { timeoutMs: 120_000 });
    } catch (error) {
      if (!(error instanceof CommandError) || !existsSync(helper)) throw error;
      if (/\b40[34]\b/.test(error.message)) return undefined;
      throw new Error(`${mirror} does not answer: ${reasonOf(error.message)}`, { cause: error });
    }
    return readFile(file, 'utf8');
  };
  try {
    const inline = await get('InRelease');
    if (inline !== undefined) return parseRelease(inline);
    const bare = await get('Release');
    if (bare === undefined) return undefined;
    return { ...parseRelease(bare), signed: (await get('Release.gpg')) !== undefined };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The line of apt-helper's output that tells why. */
function reasonOf(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.find((line) => line.startsWith('E: '))?.slice(3) ?? lines.at(-1) ?? output;
}
