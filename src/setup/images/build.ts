import { randomBytes } from 'node:crypto';
import { appendFile, chmod, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../command.ts';
import { mountsBelow } from '../mounts-below.ts';
import { type Recipe, recipeDigest } from './recipe.ts';

/** An image takes about half a minute of processor time and 110 MB from the mirror. */
const buildTimeoutMs = 30 * 60_000;

/**
 * Builds the image of a recipe as a unified Incus tarball in `cacheDir`, unless it is there already; answers the
 * file's path. Images of older recipes go. A build that is interrupted leaves no file that could be taken for an image. Throws CommandError
 * where mmdebstrap fails (it names the package or the URI).
 */
export async function buildImage(
  what: Recipe,
  cacheDir: string,
  log: (line: string) => void,
): Promise<string> {
  const digest = recipeDigest(what);
  const name = `${what.name}-${digest}.tar.zst`;
  const file = join(cacheDir, name);
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const present = await readdir(cacheDir);
  if (present.includes(name)) return file;
  await removeAbandoned(cacheDir, present);

  const work = join(cacheDir, `.build-${process.pid}-${randomBytes(4).toString('hex')}`);
  const rootfs = join(work, 'rootfs');
  try {
    await mkdir(work, { mode: 0o700 });
    log(`${what.name}: building from ${what.sources[0]?.uri}`);
    await bootstrap(what, rootfs, (line) => log(`${what.name}: ${line}`));
    await customise(what, rootfs);
    await writeFile(join(work, 'metadata.yaml'), metadata(what, digest));
    log(`${what.name}: packing`);
    const packed = join(work, name);
    const tarFlags = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '--zstd'];
    await run('tar', ['-C', work, ...tarFlags, '-cf', packed, 'metadata.yaml', 'rootfs'], {
      env: { ZSTD_CLEVEL: '3' },
      timeoutMs: buildTimeoutMs,
    });
    await rename(packed, file);
    for (const old of present)
      if (old.startsWith(`${what.name}-`)) await rm(join(cacheDir, old), { force: true });
    log(`${what.name}: built ${file}`);
    return file;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function bootstrap(what: Recipe, rootfs: string, log: (line: string) => void): Promise<void> {
  const { options = [], components = ['main'] } = what.archive ?? {};
  const how = options.length > 0 ? `[${options.join(' ')}] ` : '';
  const lines = what.sources.map(({ uri, suite }) => `deb ${how}${uri} ${suite} ${components.join(' ')}`);
  const include = `--include=${what.packages.join(',')}`;
  // An interrupted build is thrown away as a whole: there is nothing for dpkg to sync.
  const flags = ['--mode=root', '--format=directory', '--variant=minbase', '--dpkgopt=force-unsafe-io'];
  // Killed with this process, and with it all that it has started and mounted.
  const apart = ['--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'];
  const bound = ['--pdeathsig', 'KILL', '--', 'unshare', ...apart, '--', 'mmdebstrap'];
  await run('setpriv', [...bound, ...flags, include, what.codename, rootfs, ...lines], {
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    timeoutMs: buildTimeoutMs,
    onLine: (line) => {
      if (line.startsWith('I: ')) log(line.slice(3));
    },
  });
}

/** Turns the bootstrapped tree into one that every droplet can start from. */
async function customise(what: Recipe, rootfs: string): Promise<void> {
  const inside = (path: string) => join(rootfs, path);
  // What mmdebstrap took from this machine, and what must differ between droplets.
  const unwanted = ['etc/apt/sources.list', 'etc/dpkg/dpkg.cfg.d/99mmdebstrap', 'etc/resolv.conf'];
  const keys = (await readdir(inside('etc/ssh'))).filter((name) => name.startsWith('ssh_host_'));
  const devices = await readdir(inside('dev'));
  for (const path of [
    ...unwanted,
    'var/lib/dbus/machine-id',
    ...keys.map((name) => `etc/ssh/${name}`),
    ...devices.map((name) => `dev/${name}`),
  ])
    await rm(inside(path), { recursive: true, force: true });

  for (const { path, content, mode } of what.files) {
    await mkdir(dirname(inside(path)), { recursive: true });
    await writeFile(inside(path), content);
    await chmod(inside(path), mode);
  }
  for (const { path, content } of what.appended) await appendFile(inside(path), content);
  const os = (what.archive?.os ?? 'Debian').toLowerCase();
  await writeFile(inside(`etc/apt/sources.list.d/${os}.sources`), aptSources(what));
  const keyring = what.archive?.keyring;
  if (keyring) {
    await mkdir(dirname(inside(keyring.to)), { recursive: true });
    await copyFile(keyring.from, inside(keyring.to));
    await chmod(inside(keyring.to), 0o644);
  }
  for (const unit of what.archive?.disable ?? []) await run('chroot', [rootfs, 'systemctl', 'disable', unit]);
  await run('chroot', [rootfs, 'systemctl', 'enable', ...what.enable]);
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

function metadata(what: Recipe, digest: string): string {
  const architecture = arch() === 'arm64' ? 'aarch64' : 'x86_64';
  return `architecture: ${architecture}
creation_date: ${Math.floor(Date.now() / 1000)}
properties:
  os: ${what.archive?.os ?? 'Debian'}
  release: "${what.version}"
  description: ${what.archive?.os ?? 'Debian'} ${what.version} (${what.codename})
  recipe: "${digest}"
`;
}

/** Removes the working directories of builds whose process has ended. */
async function removeAbandoned(cacheDir: string, present: string[]): Promise<void> {
  for (const name of present) {
    const pid = /^\.build-(\d+)-/.exec(name)?.[1];
    if (!pid || isAlive(Number(pid))) continue;
    const work = join(cacheDir, name);
    // One that was killed leaves what it has mounted for the packages that it installed.
    for (const target of mountsBelow(work).reverse()) await run('umount', [target]);
    await rm(work, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
