/**
 * What the images have in common that machines of products are made of. Nobody logs in there: no sshd, no cloud-init, no
 * console. Their addresses are set before init runs, and what they are to do is put into them.
 */
import type { ImageFile } from '../files.ts';
import { maskedUnits } from '../masked.ts';
import { words } from '../words.ts';

/** What every one has. */
export const machinePackages = words(
  'systemd systemd-sysv dbus iproute2 ca-certificates openssl procps netbase',
);

export const machineFiles: ImageFile[] = [
  { path: '/etc/hostname', content: 'machine\n', mode: 0o644 },
  {
    path: '/etc/hosts',
    content: '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
    mode: 0o644,
  },
  { path: '/etc/machine-id', content: '', mode: 0o444 },
  // Addresses are given, and none is taken from whoever advertises one.
  { path: '/etc/sysctl.d/10-static-addresses.conf', content: 'net.ipv6.conf.*.accept_ra=0\n', mode: 0o644 },
];

export const machineMasks = [
  ...maskedUnits,
  ...words('console-getty.service systemd-logind.service dpkg-db-backup.timer systemd-networkd.service'),
];

/** Half of an image's files: nobody reads them there. Licences stay. dpkg(1), `path-exclude`; `!` keeps. */
export const machineExcluded = words(`
  /usr/share/man/* /usr/share/info/* /usr/share/locale/* /usr/share/lintian/* /usr/share/bash-completion/*
  /usr/share/doc/* !/usr/share/doc/*/copyright
`);
