import { createHash } from 'node:crypto';
import type { DebianMirror } from '../apt-sources.ts';
import { appendedLines, type ImageFile, imageFiles } from './files.ts';

/** The images that Atoll builds itself. */
export const imageNames = ['debian-12', 'debian-13'] as const;
export type ImageName = (typeof imageNames)[number];

/** All that decides what an image holds, apart from the packages' versions at the mirror. */
export interface Recipe {
  name: string;
  version: string;
  codename: string;
  /** `deb` lines for building, which are also what the droplet's APT uses. */
  sources: { uri: string; suite: string }[];
  packages: string[];
  files: ImageFile[];
  /** What is added to files of the packages. */
  appended: Pick<ImageFile, 'path' | 'content'>[];
  /** systemd units. */
  enable: string[];
  mask: string[];
  /** What differs where this is none of our own images: see suite.ts. */
  archive?: Archive;
}

/** An archive of packages that is not the machine's own Debian. */
export interface Archive {
  /** `Ubuntu`. */
  os: string;
  components: string[];
  /** Options of sources.list(5) while it is built. */
  options: string[];
  /** Lines that the stanzas of the droplet's own sources have besides: who signs them. */
  lines: string[];
  /** A keyring of the operator's that droplets need, too, and where they have it. */
  keyring?: { from: string; to: string };
  /** systemd units that its packages enable and ours stand in for. */
  disable: string[];
}

const releases = {
  'debian-12': { version: '12', codename: 'bookworm' },
  'debian-13': { version: '13', codename: 'trixie' },
} as const;

/** What a droplet needs, and what people and their scripts expect of one, as DigitalOcean's images have it. */
const packages = words(`
  systemd systemd-sysv systemd-timesyncd dbus libpam-systemd udev cloud-init python3
  openssh-server iproute2 iputils-ping netbase nftables ca-certificates curl sudo
  e2fsprogs xfsprogs less procps passwd locales
  wget gpg gpg-agent dirmngr rsync cron logrotate xz-utils bzip2 unzip vim-tiny nano
`);

/**
 * Units that cost time at boot and have nothing to do in a container. sshd-keygen makes an RSA key as well, which
 * takes 0.3 s: host keys are cloud-init's.
 */
export const maskedUnits = words(`
  apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer xfs_scrub_all.timer
  e2scrub_reap.service systemd-pstore.service systemd-modules-load.service modprobe@.service
  sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount
  dev-mqueue.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
  getty@tty1.service ldconfig.service systemd-sysusers.service systemd-update-done.service
  systemd-journal-catalog-update.service systemd-update-utmp-runlevel.service
  systemd-network-generator.service systemd-networkd-wait-online.service
  systemd-networkd-persistent-storage.service systemd-remount-fs.service
  systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup-dev-early.service
  systemd-udevd.service systemd-udev-trigger.service systemd-udev-settle.service
  systemd-udevd-control.socket systemd-udevd-kernel.socket cloud-init-hotplugd.socket
  sshd-keygen.service
`);

const enable = words('systemd-networkd.service console-getty.service ssh.service fstab-mounts.service');

/** What makes a droplet of a system of Debian's kind. */
export const dropletParts: Pick<Recipe, 'packages' | 'files' | 'appended' | 'enable' | 'mask'> = {
  packages,
  files: imageFiles,
  appended: appendedLines,
  enable,
  mask: maskedUnits,
};

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** The recipe of an image for a machine that gets Debian from `mirror`. */
export function recipe(name: ImageName, mirror: DebianMirror): Recipe & { name: ImageName } {
  const { version, codename } = releases[name];
  const sources: Recipe['sources'] = [{ uri: mirror.main, suite: codename }];
  if (mirror.updates) sources.push({ uri: mirror.main, suite: `${codename}-updates` });
  if (mirror.security) sources.push({ uri: mirror.security, suite: `${codename}-security` });
  return { name, version, codename, sources, ...dropletParts };
}

/** Tells one recipe from another: the key of caches and the `recipe` property of imported images. */
export function recipeDigest(what: Recipe): string {
  return createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 16);
}
