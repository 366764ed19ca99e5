import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DebianMirror, debianMirror, readAptSources } from './apt-sources.ts';
import { run } from './command.ts';
import { type OsRelease, osRelease } from './os-release.ts';

/** From bookworm-backports on Debian 12, which itself has no Incus. */
const incusPackages = ['incus-base', 'incus-client'];

/** Debian packages of a host in real mode. */
export const hostPackages: readonly string[] = [
  ...incusPackages,
  'lxcfs uidmap dnsmasq-base nftables iproute2 conntrack'.split(' '),
  'btrfs-progs e2fsprogs xfsprogs attr qemu-utils rsync squashfs-tools bzip2 xz-utils zstd mmdebstrap'.split(
    ' ',
  ),
  'postgresql openssh-client ca-certificates'.split(' '),
].flat();

const backportsFile = '/etc/apt/sources.list.d/atoll-backports.sources';
/** First line of files that are Atoll's to remove. */
const mark = '# Written by Atoll for its host packages; `atoll destroy` removes it.';
const clusterConfig = '/etc/postgresql-common/createcluster.conf';

/** apt waits for another one that holds the lock, as the daily update may. */
const aptGet = ['-q', '-o', 'DPkg::Lock::Timeout=300'];
const aptTimeoutMs = 30 * 60_000;

/**
 * Installs what this host lacks. Touches nothing, and needs no network, where all is there. Throws on other
 * systems than Debian 12 and 13, and where APT fails.
 */
export async function ensurePackages(
  log: (line: string) => void,
): Promise<{ changed: boolean; detail: string }> {
  const system = osRelease();
  requireDebian(system);
  const missing = await missingPackages();
  if (missing.length === 0) return { changed: false, detail: `${hostPackages.length} packages are there` };

  log(`missing: ${missing.join(' ')}`);
  const incus = missing.filter((name) => incusPackages.includes(name));
  const others = missing.filter((name) => !incusPackages.includes(name));
  const backports = `${system.codename}-backports`;
  const needsBackports = incus.length > 0 && system.codename === 'bookworm';
  if (needsBackports) offerBackports(system.codename, log);
  // An unrelated source that is broken makes this fail; whether it matters shows with the installation.
  const updated = await aptUpdate().catch((error: Error) => error);
  if (updated instanceof Error) log(updated.message);
  try {
    if (others.includes('postgresql')) avoidDefaultCluster();
    if (others.length > 0) await aptInstall(others, log);
    if (incus.length > 0) await aptInstall([...(needsBackports ? ['-t', backports] : []), ...incus], log);
  } catch (cause) {
    const hint = updated instanceof Error ? ` (before that, ${updated.message})` : '';
    throw new Error(
      `apt-get could not install ${missing.join(' ')}: ${String(cause)}${hint}. ` +
        'Check the sources under /etc/apt and the network, then try again.',
      { cause },
    );
  }
  return { changed: true, detail: `installed ${missing.join(' ')}` };
}

/** Which of `hostPackages` are not installed. */
export async function missingPackages(): Promise<string[]> {
  const format = ['-W', '-f', '${Package}\t${db:Status-Status}\n'];
  const { stdout } = await run('dpkg-query', format, { timeoutMs: 60_000 });
  const installed = new Set<string>();
  for (const line of stdout.split('\n')) {
    const [name = '', status] = line.split('\t');
    if (status === 'installed') installed.add(name);
  }
  return hostPackages.filter((name) => !installed.has(name));
}

/** Removes the APT source that `ensurePackages` has added, if it has; packages stay. */
export async function removePackageSource(log: (line: string) => void): Promise<void> {
  if (!existsSync(backportsFile) || !readFileSync(backportsFile, 'utf8').startsWith(mark)) return;
  rmSync(backportsFile);
  log(`${backportsFile} removed`);
}

/** Whether real mode is made for this system. */
export function isSupported({ id, codename }: OsRelease): boolean {
  return id === 'debian' && ['bookworm', 'trixie'].includes(codename);
}

/** Throws with what to do instead, where this is not a Debian that the packages are known to fit. */
function requireDebian(system: OsRelease): void {
  if (isSupported(system)) return;
  throw new Error(
    `Real mode is made for Debian 12 and 13; this is ${system.name || 'another system'}. ` +
      `Use a Debian machine or VM (it needs: ${hostPackages.join(' ')}), or run with --simulated.`,
  );
}

/** Adds the backports of the machine's own mirror, unless one of its sources offers them. */
function offerBackports(codename: string, log: (line: string) => void): void {
  const suite = `${codename}-backports`;
  const sources = readAptSources();
  if (sources.some(({ types, suites }) => types.includes('deb') && suites.includes(suite))) return;
  writeFileSync(backportsFile, backportsSource(debianMirror(sources, codename), suite));
  log(`${backportsFile}: ${suite}`);
}

/** The deb822 stanza of a suite on a mirror. */
export function backportsSource(mirror: DebianMirror, suite: string): string {
  const signedBy = mirror.signedBy ? `Signed-By: ${mirror.signedBy}\n` : '';
  return `${mark}\nTypes: deb\nURIs: ${mirror.main}\nSuites: ${suite}\nComponents: main\n${signedBy}`;
}

/** Debian makes and starts a PostgreSQL of its own on installation, which Atoll does not use. */
function avoidDefaultCluster(): void {
  if (existsSync(clusterConfig)) return;
  mkdirSync(dirname(clusterConfig), { recursive: true });
  writeFileSync(clusterConfig, 'create_main_cluster = false\n');
}

/** Has APT ask what its sources offer. */
export async function aptUpdate(): Promise<undefined> {
  await run('apt-get', ['update', ...aptGet], { env: aptEnvironment, timeoutMs: aptTimeoutMs });
}

/** Installs packages, without what they only recommend. */
export async function aptInstall(what: string[], log: (line: string) => void): Promise<void> {
  const { stdout } = await run('apt-get', ['install', '-y', '--no-install-recommends', ...aptGet, ...what], {
    env: aptEnvironment,
    timeoutMs: aptTimeoutMs,
  });
  for (const line of stdout.split('\n')) if (line.startsWith('Setting up ')) log(line.trim());
}

const aptEnvironment = {
  DEBIAN_FRONTEND: 'noninteractive',
  UCF_FORCE_CONFFOLD: '1',
  // Ubuntu's and some Debian's needrestart would ask, or restart services of others.
  NEEDRESTART_SUSPEND: '1',
};
