/** Builds the image of a recipe. Runs in a process of its own: see start-build.ts. */
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../command.ts';
import { mountsBelow } from '../mounts-below.ts';
import { type BuiltImage, imageFileName, newestBuild, noteUse, removeOthers } from './cache.ts';
import { installedIn } from './packages-in.ts';
import { preferencesOf, type Recipe, recipeDigest } from './recipe.ts';
import { updatesPrefix } from './updates.ts';

/** An image takes about half a minute of processor time and 110 MB from the mirror. */
const buildTimeoutMs = 30 * 60_000;
/** What a build takes at the most, and what it leaves to others of the same disk: the database, the storage pool, bytes. */
const roomBytes = 3 * 1024 ** 3;
/** How working directories begin. Whoever holds the lock of the cache is the only one that has any. */
const workPrefix = '.build-';
/** Lines of mmdebstrap that say what it is at, and not what it has found out. */
const doing = /^I: ((?:running apt|downloading|extracting|installing|cleaning).*?)(?:\.\.\.)?$/;

/**
 * Builds the image of a recipe as a unified Incus tarball in `cacheDir`, unless one is there other than the build
 * `instead`. Others of its name go. For whoever holds the lock of the cache. A build that is interrupted leaves no file
 * that could be taken for an image. Throws CommandError where mmdebstrap fails (it names the package or the URI).
 */
export async function buildImage(
  what: Recipe,
  { cacheDir, instead }: { cacheDir: string; instead?: string | undefined },
  step: (doing: string) => void,
): Promise<BuiltImage> {
  await removeAbandoned(cacheDir);
  // Somebody else may have built it while this one stood in line.
  const there = await newestBuild(what, cacheDir);
  if (there && there.digest !== instead) return there;
  await checkRoom(cacheDir);

  const work = join(cacheDir, `${workPrefix}${randomBytes(4).toString('hex')}`);
  const rootfs = join(work, 'rootfs');
  try {
    await mkdir(work, { mode: 0o700 });
    step(`fetching packages from ${what.sources[0]?.uri}`);
    await bootstrap(what, rootfs, work, step);
    step('putting our own files in');
    await customise(what, rootfs);
    const digest = await buildDigest(what, rootfs);
    await writeFile(join(work, 'metadata.yaml'), metadata(what, digest));
    const { stdout } = await run('du', ['-sxB1', rootfs]);
    const bytes = Number(stdout.split('\t')[0]);
    step('packing');
    const name = imageFileName(what, { digest, bytes });
    const packed = join(work, name);
    const tarFlags = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '--zstd'];
    await run('tar', ['-C', work, ...tarFlags, '-cf', packed, 'metadata.yaml', 'rootfs'], {
      env: { ZSTD_CLEVEL: '3' },
      timeoutMs: buildTimeoutMs,
    });
    const file = join(cacheDir, name);
    // A power cut would else leave its name, and a part of it or nothing.
    await sync(packed);
    await rename(packed, file);
    await sync(cacheDir);
    const builtAt = new Date();
    await noteUse(file, builtAt);
    await removeOthers(what.name, file, cacheDir);
    return { file, digest, bytes, builtAt };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A build that filled the disk would take the database and the storage pool with it. */
async function checkRoom(cacheDir: string): Promise<void> {
  const { bavail, bsize } = await statfs(cacheDir);
  const free = bavail * bsize;
  if (free >= roomBytes) return;
  const gib = (bytes: number) => (bytes / 1024 ** 3).toFixed(1);
  throw new Error(
    `No room to build an image: ${gib(free)} GiB are free at ${cacheDir}, ${gib(roomBytes)} are needed. Make room there, then try again`,
  );
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Tells builds of one recipe apart by what the mirror had. */
async function buildDigest(what: Recipe, rootfs: string): Promise<string> {
  const status = await readFile(join(rootfs, 'var/lib/dpkg/status'), 'utf8');
  const installed = installedIn(status).map(({ name, version }) => `${name}=${version}`);
  return createHash('sha256')
    .update([recipeDigest(what), ...installed].join('\n'))
    .digest('hex')
    .slice(0, 16);
}

async function bootstrap(
  what: Recipe,
  rootfs: string,
  work: string,
  step: (doing: string) => void,
): Promise<void> {
  const { options = [], components = ['main'] } = what.archive ?? {};
  const how = options.length > 0 ? `[${options.join(' ')}] ` : '';
  const lines = what.sources.map(({ uri, suite }) => `deb ${how}${uri} ${suite} ${components.join(' ')}`);
  const include = `--include=${what.packages.join(',')}`;
  const excluded = (what.excluded ?? []).map((path) =>
    path.startsWith('!') ? `--dpkgopt=path-include=${path.slice(1)}` : `--dpkgopt=path-exclude=${path}`,
  );
  const before = [...(what.before ?? [])];
  const preferences = preferencesOf(what);
  if (preferences) before.push({ path: '/etc/apt/preferences.d/suites', content: preferences, mode: 0o644 });
  if (before.length > 0) await putFiles(join(work, 'before'), before);
  const hooks = before.length > 0 ? [`--setup-hook=cp -a ${work}/before/. "$1"`] : [];
  // An interrupted build is thrown away as a whole: there is nothing for dpkg to sync.
  const flags = ['--mode=root', '--format=directory', '--variant=minbase', '--dpkgopt=force-unsafe-io'];
  // Killed with this process, and with it all that it has started and mounted.
  const apart = ['--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'];
  const bound = ['--pdeathsig', 'KILL', '--', 'unshare', ...apart, '--', 'mmdebstrap', ...flags];
  await run('setpriv', [...bound, ...excluded, ...hooks, include, what.codename, rootfs, ...lines], {
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    timeoutMs: buildTimeoutMs,
    onLine: (line) => {
      const [, now] = doing.exec(line) ?? [];
      if (now) step(now);
    },
  });
}

async function putFiles(root: string, files: readonly Recipe['files'][number][]): Promise<void> {
  for (const { path, content, mode } of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
    await chmod(join(root, path), mode);
  }
}

/** Turns the bootstrapped tree into one that every machine can start from. */
async function customise(what: Recipe, rootfs: string): Promise<void> {
  const inside = (path: string) => join(rootfs, path);
  const namesIn = (path: string) => readdir(inside(path)).catch(() => []);
  // What mmdebstrap took from this machine, and what must differ between machines.
  const unwanted = ['etc/apt/sources.list', 'etc/dpkg/dpkg.cfg.d/99mmdebstrap', 'etc/resolv.conf'];
  const keys = (await namesIn('etc/ssh')).filter((name) => name.startsWith('ssh_host_'));
  const devices = await namesIn('dev');
  for (const path of [
    ...unwanted,
    'var/lib/dbus/machine-id',
    ...keys.map((name) => `etc/ssh/${name}`),
    ...devices.map((name) => `dev/${name}`),
  ])
    await rm(inside(path), { recursive: true, force: true });

  await putFiles(rootfs, what.files);
  for (const { path, content } of what.appended) await appendFile(inside(path), content);
  const os = (what.archive?.os ?? 'Debian').toLowerCase();
  await writeFile(inside(`etc/apt/sources.list.d/${os}.sources`), aptSources(what));
  const keyring = what.archive?.keyring;
  if (keyring) {
    await mkdir(dirname(inside(keyring.to)), { recursive: true });
    await copyFile(keyring.from, inside(keyring.to));
    await chmod(inside(keyring.to), 0o644);
  }
  for (const command of what.run ?? [])
    await run('chroot', [rootfs, ...command], { timeoutMs: buildTimeoutMs });
  for (const unit of what.archive?.disable ?? []) await run('chroot', [rootfs, 'systemctl', 'disable', unit]);
  if (what.enable.length > 0) await run('chroot', [rootfs, 'systemctl', 'enable', ...what.enable]);
  await run('chroot', [rootfs, 'systemctl', 'mask', ...what.mask]);
  await run('chroot', [rootfs, 'passwd', '--lock', 'root']);
}

function aptSources({ sources, archive }: Recipe): string {
  const components = (archive?.components ?? ['main']).join(' ');
  const lines = archive?.lines ?? ['Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg'];
  return sources
    .map(
      ({ uri, suite }) =>
        `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components}\n${lines.join('\n')}\n`,
    )
    .join('\n');
}

function metadata(what: Recipe, build: string): string {
  const architecture = arch() === 'arm64' ? 'aarch64' : 'x86_64';
  return `architecture: ${architecture}
creation_date: ${Math.floor(Date.now() / 1000)}
properties:
  os: ${what.archive?.os ?? 'Debian'}
  release: "${what.version}"
  description: ${what.archive?.os ?? 'Debian'} ${what.version} (${what.codename})
  recipe: "${recipeDigest(what)}"
  build: "${build}"
`;
}

/** Removes what builds have left that were killed. */
async function removeAbandoned(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith(workPrefix) && !name.startsWith(updatesPrefix)) continue;
    const work = join(cacheDir, name);
    // Those of before have left what they had mounted for the packages that they installed.
    for (const target of mountsBelow(work).reverse()) await run('umount', [target]);
    await rm(work, { recursive: true, force: true });
  }
}
