/** What the operator should know of an image before droplets of it are ordered. */
import { run } from '../setup/command.ts';

/**
 * The last systemd that was seen to boot in a droplet that may mount its volumes. Newer ones set up the credentials of
 * services by calls of the new mount API alone (fsopen and others), and Incus refuses those where it intercepts mount(2).
 */
const newestSystemd = 257;

export const withoutCloudInit =
  'There is no cloud-init in it: droplets get neither SSH keys nor user data from outside. ' +
  'Install cloud-init and openssh-server in it, and add it again.';

/** What is to be said of a systemd of this version, where droplets may mount their volumes. */
export function systemdWarning(version: number | undefined): string | undefined {
  if (version === undefined || version <= newestSystemd) return undefined;
  return (
    `Its systemd ${version} does not start its services in droplets that may mount volumes: ` +
    'they are made without that after ./atoll up --volume-mounts off.'
  );
}

/** The version of systemd in an image of Debian's kind; undefined where its packages do not say. */
export async function systemdIn(tarball: string): Promise<number | undefined> {
  const status = 'rootfs/var/lib/dpkg/status';
  try {
    const { stdout } = await run('tar', ['--zstd', '--occurrence=1', '-xOf', tarball, status]);
    return systemdOf(stdout);
  } catch {
    // It has no such file: another kind of packages.
    return undefined;
  }
}

/** The same by the text of dpkg's status file. */
export function systemdOf(status: string): number | undefined {
  const stanza = status.split('\n\n').find((text) => /^Package: systemd$/m.test(text));
  const version = /^Version: (?:\d+:)?(\d+)/m.exec(stanza ?? '')?.[1];
  return version === undefined ? undefined : Number(version);
}
