/** The files that make a minimal Debian a droplet's operating system, by absolute path. */

export interface ImageFile {
  path: string;
  content: string;
  mode: number;
}

/**
 * cloud-init's own DigitalOcean datasource looks for DMI data and a physical NIC, neither of which a container
 * has. The droplet id comes from the metadata itself. `_deprecate` (cloud-init 25.1) would leave every droplet
 * `degraded`. Name servers are written here because systemd-resolved takes a tenth of the boot time. A container cannot
 * swap: said once, instead of a file that takes room for nothing and a module that fails.
 */
const datasource = `import logging
import os

from cloudinit import sources, util
from cloudinit.config import cc_mounts
from cloudinit.sources import DataSourceDigitalOcean as base


def no_swap(swapcfg):
    if swapcfg:
        logging.getLogger(__name__).warning("swap: no swap file was made: a droplet cannot swap")


cc_mounts.handle_swapcfg = no_swap


class DataSourceDigitalOcean(base.DataSourceDigitalOcean):
    def _get_sysinfo(self):
        return (True, "0")

    def _get_data(self):
        found = super()._get_data()
        servers = self.metadata_full.get("dns", {}).get("nameservers", []) if found else []
        if servers and not os.path.islink("/etc/resolv.conf"):
            lines = ["nameserver %s" % server for server in servers]
            util.write_file("/etc/resolv.conf", "\\n".join(lines) + "\\n")
        return found

    def _deprecate(self):
        pass


datasources = [(DataSourceDigitalOcean, (sources.DEP_FILESYSTEM,))]


def get_datasource_list(depends):
    return sources.list_from_depends(depends, datasources)
`;

/**
 * What differs from the defaults of the distribution's cloud-init, whose modules all run, so that each key of a
 * cloud-config does what it says or fails in the log. Those that do something unasked have nothing to do in a container:
 * GRUB, growing the root disk, the locale that is there. No user is named: cloud-init would lock root's password.
 */
const cloudConfig = `datasource_list: [ DigitalOcean ]
datasource_pkg_list: [ atoll ]
datasource: { DigitalOcean: { timeout: 2, retries: 20, wait_retry: 1, use_ip4LL: false } }
disable_root: false
users: []
manage_etc_hosts: true
ssh_genkeytypes: [ ed25519 ]
ssh: { emit_keys_to_console: false }
no_ssh_fingerprints: true
locale: false
growpart: { mode: 'off' }
resize_rootfs: false
grub_dpkg: { enabled: false }
`;

/**
 * mount(8) calls this for its file system type. A volume's mount is carried out by Incus, which refuses the
 * atime options; they are applied to the mount point afterwards. mount(8) leaves it to its helper to forgive, with
 * nofail, that there is no device. Incus learns from the first mount of a type whether it can give the files of that
 * type to the droplet's users, and remembers until it is started anew: so nothing is tried that must fail.
 */
function mountHelper(type: string): string {
  return `#!/bin/sh
# mount.${type} DEVICE DIRECTORY [-o OPTIONS]
device=$1 directory=$2
shift 2
rest= later=
while getopts sfnvo:N:t: option; do
  [ "$option" = o ] || continue
  old_ifs=$IFS IFS=,
  for word in $OPTARG; do
    case $word in
      nofail) [ -e "$device" ] || exit 0 ;;
      noatime | relatime | strictatime | nodiratime | lazytime) later="$later,$word" ;;
      *) rest="$rest,$word" ;;
    esac
  done
  IFS=$old_ifs
done
if [ "$(blkid -p -s TYPE -o value "$device")" != ${type} ]; then
  echo "mount: $directory: $device holds no ${type} file system." >&2
  exit 32
fi
mount -i -t ${type} \${rest:+-o "\${rest#,}"} "$device" "$directory" || exit
[ -z "$later" ] || mount -i -o "remount,bind$later" "$directory"
`;
}

/**
 * mkfs.xfs sets the block size of the device, which in a container it may not. So the file system is made in a sparse
 * file, which needs no more room than its metadata, and what is in there is copied to the device.
 */
const mkfsXfs = `#!/usr/bin/python3
import fcntl, os, stat, subprocess, sys, tempfile

REAL = "/sbin/mkfs.xfs"
BLKDISCARD = 0x1277

arguments, device = sys.argv[1:-1], sys.argv[-1]
if len(sys.argv) < 2 or not os.path.exists(device) or not stat.S_ISBLK(os.stat(device).st_mode):
    os.execv(REAL, sys.argv)
try:
    target = os.open(device, os.O_RDWR | os.O_EXCL)
except OSError as error:
    sys.exit("mkfs.xfs: %s: %s" % (device, error.strerror))
found = subprocess.run(["blkid", "-p", "-s", "TYPE", "-o", "value", device], capture_output=True, text=True).stdout
if found and not any(word.startswith("-") and "f" in word for word in arguments):
    sys.exit("mkfs.xfs: %s appears to contain an existing filesystem (%s).\\nmkfs.xfs: Use the -f option to force overwrite." % (device, found.strip()))
size = os.lseek(target, 0, os.SEEK_END)
with tempfile.NamedTemporaryFile(dir="/var/tmp") as made:
    made.truncate(size)
    code = subprocess.run([REAL, *arguments, made.name]).returncode
    if code:
        sys.exit(code)
    fcntl.ioctl(target, BLKDISCARD, (0).to_bytes(8, sys.byteorder) + size.to_bytes(8, sys.byteorder))
    source, end = made.fileno(), 0
    while True:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(source, start, os.SEEK_HOLE)
        for at in range(start, end, 1 << 20):
            os.pwrite(target, os.pread(source, min(1 << 20, end - at), at), at)
    os.fsync(target)
`;

/**
 * Growing a mounted file system takes capabilities of the host that no container has. The host does it, when a volume
 * grows and within half a minute after a mount, so that there is nothing left to do, or to wait only. A host that may
 * not do it with ext4 itself (EXT4_IOC_RESIZE_FS wants CAP_SYS_RESOURCE) leaves it as it is: then it is unmounted for
 * the moment that it takes.
 */
const resize2fs = `#!/bin/sh
real=/usr/sbin/resize2fs
[ -x "$real" ] || real=/sbin/resize2fs
device=
for argument; do
  case $argument in -*) ;; *) device=$argument; break ;; esac
done
number=$(stat -L -c '%Hr:%Lr' -- "$device" 2>/dev/null)
target=$(findmnt -n -f -o TARGET -S "$number")
[ -n "$target" ] || exec "$real" "$@"
if said=$("$real" "$@" 2>&1); then
  printf '%s\\n' "$said"
  exit
fi
options=$(findmnt -n -o OPTIONS --target "$target" | sed 's/,idmapped//')
if ! umount -- "$target"; then
  echo "resize2fs: $target is in use; stop what uses it and try again" >&2
  exit 1
fi
e2fsck -fp "$device" >/dev/null
[ $? -le 1 ] && "$real" "$@"
status=$?
mount -o "$options" -- "$device" "$target" || exit
exit $status
`;
const xfsGrowfs = `#!/bin/sh
waited=0
until said=$(/usr/sbin/xfs_growfs "$@" 2>&1); do
  case $said in *'not permitted'*) ;; *) waited=45 ;; esac
  if [ $waited -ge 45 ]; then
    printf '%s\\n' "$said" >&2
    exit 1
  fi
  waited=$((waited + 1))
  sleep 1
done
printf '%s\\n' "$said"
`;

/** With /sys read-only, systemd ignores the devices in fstab: mount(8) does not. */
const mountUnit = `[Unit]
Description=Mount what fstab names
After=local-fs.target
ConditionPathExists=/etc/fstab

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount -a

[Install]
WantedBy=multi-user.target
`;

/**
 * The address is static, and the kernel and networkd 252 fall out over one that is advertised as well. What LXC has
 * set stays: cloud-init writes the network's files once, before an IPv6 address was added.
 */
const staticAddresses = '[Network]\nIPv6AcceptRA=no\nKeepConfiguration=yes\n';

/**
 * Debian's locale-gen(8) makes the locales that /etc/locale.gen names. Ubuntu's takes more as arguments, and so
 * cloud-init calls it on both: without this, `locale` of a cloud-config would fail.
 */
const localeGen = `#!/bin/sh
flags=
for name; do
  case $name in
    -*) flags="$flags $name" ;;
    *)
      line=$(grep -m 1 -e "^$name " /usr/share/i18n/SUPPORTED) || continue
      grep -qxF "$line" /etc/locale.gen || printf '%s\\n' "$line" >> /etc/locale.gen
      ;;
  esac
done
exec /usr/sbin/locale-gen $flags
`;

/** cloud-init restarts this unit when it has written /etc/default/keyboard. There is no virtual console here. */
const consoleSetup = `[Unit]
Description=No virtual console to set up

[Service]
Type=oneshot
ExecStart=/bin/true
`;

/** As on DigitalOcean, root logs in over SSH by key, and by password where cloud-init or a password reset says so. */
const sshdByCloudInit = 'PasswordAuthentication no\n';

/** On one processor, what starts beside sshd delays it. */
const afterSsh = '[Unit]\nAfter=ssh.service\n';

const plugin = '/usr/lib/python3/dist-packages/atoll';

export const imageFiles: ImageFile[] = [
  { path: `${plugin}/__init__.py`, content: '', mode: 0o644 },
  { path: `${plugin}/DataSourceDigitalOcean.py`, content: datasource, mode: 0o644 },
  { path: '/etc/cloud/cloud.cfg.d/95-atoll.cfg', content: cloudConfig, mode: 0o644 },
  { path: '/etc/cloud/ds-identify.cfg', content: 'datasource: DigitalOcean\npolicy: enabled\n', mode: 0o644 },
  { path: '/sbin/mount.ext4', content: mountHelper('ext4'), mode: 0o755 },
  { path: '/sbin/mount.xfs', content: mountHelper('xfs'), mode: 0o755 },
  { path: '/usr/local/sbin/mkfs.xfs', content: mkfsXfs, mode: 0o755 },
  { path: '/usr/local/sbin/resize2fs', content: resize2fs, mode: 0o755 },
  { path: '/usr/local/sbin/xfs_growfs', content: xfsGrowfs, mode: 0o755 },
  { path: '/etc/systemd/system/fstab-mounts.service', content: mountUnit, mode: 0o644 },
  { path: '/usr/local/sbin/locale-gen', content: localeGen, mode: 0o755 },
  { path: '/etc/systemd/system/console-setup.service', content: consoleSetup, mode: 0o644 },
  { path: '/etc/ssh/sshd_config.d/50-cloud-init.conf', content: sshdByCloudInit, mode: 0o600 },
  ...['cloud-config', 'systemd-logind', 'console-getty', 'fstab-mounts', 'cron'].map((unit) => ({
    path: `/etc/systemd/system/${unit}.service.d/after-ssh.conf`,
    content: afterSsh,
    mode: 0o644,
  })),
  ...['eth0', 'eth1'].map((nic) => ({
    path: `/etc/systemd/network/10-cloud-init-${nic}.network.d/static.conf`,
    content: staticAddresses,
    mode: 0o644,
  })),
  { path: '/etc/sysctl.d/10-static-addresses.conf', content: 'net.ipv6.conf.*.accept_ra=0\n', mode: 0o644 },
  { path: '/etc/default/locale', content: 'LANG=C.UTF-8\n', mode: 0o644 },
  { path: '/etc/hostname', content: 'droplet\n', mode: 0o644 },
  {
    path: '/etc/hosts',
    content: '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
    mode: 0o644,
  },
  { path: '/etc/machine-id', content: '', mode: 0o444 },
];

/** What is added at the end of files that packages bring: those of `path` begin as their package has them. */
export const appendedLines: { path: string; content: string }[] = [
  // In the main file, where people look for it to change it.
  { path: '/etc/ssh/sshd_config', content: '\nPermitRootLogin yes\n' },
];
