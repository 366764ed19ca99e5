/** What the images have in common that droplets are made of. */
import { appendedLines, imageFiles } from '../files.ts';
import { maskedUnits } from '../masked.ts';
import { words } from '../words.ts';

/** What a droplet needs, and what people and their scripts expect of one, as DigitalOcean's images have it. */
const packages = words(`
  systemd systemd-sysv systemd-timesyncd dbus libpam-systemd udev cloud-init python3
  openssh-server iproute2 iputils-ping netbase nftables ca-certificates curl sudo
  e2fsprogs xfsprogs less procps passwd locales
  wget gpg gpg-agent dirmngr rsync cron logrotate xz-utils bzip2 unzip vim-tiny nano
`);

export const droplet = {
  packages,
  files: imageFiles,
  appended: appendedLines,
  enable: words('systemd-networkd.service console-getty.service ssh.service fstab-mounts.service'),
  mask: maskedUnits,
};
