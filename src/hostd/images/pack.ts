/** Packs an operating system's tree into an image tarball of Incus, with what makes it a droplet's. */
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { imageFiles } from '../../setup/images/files.ts';
import { maskedUnits } from '../../setup/images/masked.ts';
import { step } from './step.ts';
import { type OperatingSystem, placeIn, resolveIn } from './tree.ts';

/** Left out: what belongs to a machine and not to its image. Patterns of tar, beneath the root. */
const leftOut = [
  'dev/*',
  'proc/*',
  'sys/*',
  'run/*',
  'tmp/*',
  'etc/ssh/ssh_host_*',
  'var/lib/cloud/*',
  'var/lib/dbus/machine-id',
  'lost+found',
];

interface Added {
  path: string;
  /** Absent: a link to /dev/null, which masks a unit. */
  content?: string;
  mode?: number;
}

/** The files of our own images that this one can use: by what it has of systemd and cloud-init (which lies in `packages`). */
async function filesFor(root: string, packages: string | undefined): Promise<Added[]> {
  const systemd =
    (await resolveIn(root, 'usr/lib/systemd/system')) ?? (await resolveIn(root, 'lib/systemd/system'));
  const files: Added[] = [{ path: '/etc/fstab', content: '', mode: 0o644 }];
  // A file, and no link to the one of a resolver that nobody tells of the name servers: our datasource fills it.
  if (packages) files.push({ path: '/etc/resolv.conf', content: '', mode: 0o644 });
  for (const file of imageFiles) {
    const { path } = file;
    if (path.startsWith('/usr/lib/python3/')) {
      if (packages) files.push({ ...file, path: path.replace('/usr/lib/python3/dist-packages', packages) });
    } else if (path.startsWith('/etc/cloud/')) {
      if (packages) files.push(file);
    } else if (path.startsWith('/etc/systemd/')) {
      if (systemd !== undefined) files.push(file);
    } else if (!kept.has(path)) files.push(file);
  }
  if (systemd !== undefined) {
    for (const unit of maskedUnits) files.push({ path: `/etc/systemd/system/${unit}` });
  }
  return files;
}

/** What such an image knows better than ours. */
const kept = new Set([
  '/etc/default/locale',
  '/etc/hosts',
  '/etc/ssh/sshd_config.d/50-cloud-init.conf',
  '/usr/local/sbin/locale-gen',
]);

/** Where the Python that runs cloud-init finds its packages; undefined where there is no cloud-init. */
async function pythonPackages(root: string): Promise<string | undefined> {
  const lib = await resolveIn(root, 'usr/lib');
  if (lib === undefined) return undefined;
  const versions = (await readdir(join(root, lib))).filter((name) => /^python3(\.\d+)?$/.test(name));
  for (const version of versions.sort()) {
    for (const kind of ['dist-packages', 'site-packages']) {
      const path = `usr/lib/${version}/${kind}`;
      if ((await resolveIn(root, `${path}/cloudinit`)) !== undefined) return `/${path}`;
    }
  }
  return undefined;
}

/**
 * Writes the tarball. What is added is written beside the tree and appended, so that the tree itself is only read;
 * it goes where the links of the tree lead, so that no link of a stranger's can take it elsewhere. Answers whether there
 * is cloud-init in it.
 */
export async function pack(
  { root, system }: { root: string; system: OperatingSystem },
  { work, target, maxBytes }: { work: string; target: string; maxBytes: number },
): Promise<{ cloudInit: boolean }> {
  const beside = join(work, 'added');
  const names: string[] = [];
  await mkdir(beside);
  await writeFile(join(beside, 'metadata.yaml'), JSON.stringify(metadata(system)));
  const replaced: string[] = [];
  const packages = await pythonPackages(root);
  for (const { path, content, mode } of await filesFor(root, packages)) {
    const place = await placeIn(root, path);
    const name = `rootfs/${place}`;
    if (names.includes(name)) continue;
    const file = join(beside, name);
    await mkdir(dirname(file), { recursive: true });
    if (content === undefined) await symlink('/dev/null', file);
    else {
      await writeFile(file, content);
      await chmod(file, mode ?? 0o644);
    }
    names.push(name);
    replaced.push(place);
  }
  const list = join(work, 'names');
  await writeFile(list, names.join('\n'));
  const literal = join(work, 'replaced');
  await writeFile(literal, replaced.map((path) => `./${path}`).join('\n'));
  const patterns = join(work, 'left-out');
  await writeFile(patterns, leftOut.map((path) => `./${path}`).join('\n'));
  await step(
    'tar',
    [
      '--create',
      `--file=${target}`,
      '--zstd',
      '--numeric-owner',
      '--sparse',
      '--xattrs',
      '--xattrs-include=*',
      '--one-file-system',
      '--anchored',
      '--no-wildcards',
      `--exclude-from=${literal}`,
      '--wildcards',
      `--exclude-from=${patterns}`,
      // Names and hard links move into rootfs/; what symbolic links say stays.
      '--transform=s,^\\.,rootfs,S',
      // First: whoever reads the tarball looks for it before all else.
      `--directory=${beside}`,
      'metadata.yaml',
      `--directory=${root}`,
      '.',
      `--directory=${beside}`,
      '--no-recursion',
      '--verbatim-files-from',
      `--files-from=${list}`,
    ],
    { maxBytes },
  );
  return { cloudInit: packages !== undefined };
}

function metadata(system: OperatingSystem): object {
  return {
    architecture: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
    creation_date: Math.floor(Date.now() / 1000),
    properties: { description: system.name },
  };
}
