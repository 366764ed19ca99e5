import { words } from './words.ts';

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
