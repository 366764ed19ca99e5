/** The files that make a minimal Debian a droplet's operating system, by absolute path. */

export interface ImageFile {
  path: string;
  content: string;
  mode: number;
}

/**
 * cloud-init's own DigitalOcean datasource looks for DMI data and a physical NIC, neither of which a container
 * has. The droplet id comes from the metadata itself. `_deprecate` (cloud-init 25.1) would leave every droplet
 * `degraded`. Name servers are written here because systemd-resolved takes a tenth of the boot time.
 */
const datasource = `import os

from cloudinit import sources, util
from cloudinit.sources import DataSourceDigitalOcean as base


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

/** Only the modules that mean something in a droplet: each one costs time at every boot. */
const cloudConfig = `datasource_list: [ DigitalOcean ]
datasource_pkg_list: [ atoll ]
datasource: { DigitalOcean: { timeout: 2, retries: 20, wait_retry: 1, use_ip4LL: false } }
disable_root: false
users: [ root ]
manage_etc_hosts: true
ssh_genkeytypes: [ ed25519 ]
ssh: { emit_keys_to_console: false }
no_ssh_fingerprints: true
cloud_init_modules: [ bootcmd, write-files, set_hostname, update_hostname, update_etc_hosts, ca-certs, users-groups, ssh ]
cloud_config_modules: [ ssh-import-id, set-passwords, apt-configure, ntp, timezone, runcmd ]
cloud_final_modules: [ package-update-upgrade-install, write-files-deferred, scripts-vendor, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, phone-home, final-message, power-state-change ]
`;

/**
 * mount(8) calls this for its file system type. A volume's mount is carried out by Incus, which refuses the
 * atime options; they are applied to the mount point afterwards.
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
      noatime | relatime | strictatime | nodiratime | lazytime) later="$later,$word" ;;
      *) rest="$rest,$word" ;;
    esac
  done
  IFS=$old_ifs
done
mount -i -t ${type} \${rest:+-o "\${rest#,}"} "$device" "$directory" || exit
[ -z "$later" ] || mount -i -o "remount,bind$later" "$directory"
`;
}

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

/** The address is static, and the kernel and networkd 252 fall out over one that is advertised as well. */
const noAdvertisements = '[Network]\nIPv6AcceptRA=no\n';

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
  { path: '/etc/systemd/system/fstab-mounts.service', content: mountUnit, mode: 0o644 },
  ...['cloud-config', 'systemd-logind', 'console-getty', 'fstab-mounts'].map((unit) => ({
    path: `/etc/systemd/system/${unit}.service.d/after-ssh.conf`,
    content: afterSsh,
    mode: 0o644,
  })),
  ...['eth0', 'eth1'].map((nic) => ({
    path: `/etc/systemd/network/10-cloud-init-${nic}.network.d/static.conf`,
    content: noAdvertisements,
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
