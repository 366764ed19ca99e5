/**
 * A volume with a filesystem mounts itself at /mnt/NAME (underscores for dashes), as on DigitalOcean: by a mount unit of
 * systemd in the machine, which is there as long as the volume is attached. A guest that has no systemd, or whose owner
 * mounts the volume in another way, is let alone; nothing here makes an attach or a detach fail.
 */
import { posix } from 'node:path';
import { EngineError } from '../../../base/engine-error.ts';
import type { VolumeAttachment } from '../port.ts';
import { type IncusClient, Unfinished } from './client.ts';
import { isNotFound } from './errors.ts';
import { execute } from './exec.ts';
import { volumePath } from './spec.ts';

const units = '/etc/systemd/system';
/** The first line of our units: any other is the owner's. */
const ours = '# Atoll made this when the volume was attached, and takes it away when it is detached.';
/** How long a machine waits for a device that it is promised, in tenths of a second. */
const patience = 600;

interface Mount {
  unit: string;
  target: string;
  content: string;
}

function mountOf({ name, filesystem }: VolumeAttachment): Mount | undefined {
  if (!filesystem) return undefined;
  const target = targetOf(name);
  const device = volumePath(name);
  // The condition: a machine boots well without the volume, as does one that is made from a snapshot of this one.
  const content = `${ours}
[Unit]
Description=Volume ${name}
ConditionPathExists=${device}

[Mount]
What=${device}
Where=${target}
Type=${filesystem.type}
Options=defaults,discard,noatime

[Install]
WantedBy=multi-user.target
`;
  return { unit: unitOf(name), target, content };
}

/** Names of volumes are `[a-z][a-z0-9-]*`: with underscores, none has to be escaped for systemd. */
const targetOf = (volumeName: string): string => `/mnt/${volumeName.replaceAll('-', '_')}`;
const unitOf = (volumeName: string): string => `mnt-${volumeName.replaceAll('-', '_')}.mount`;

/**
 * Makes the unit and starts it, unless the volume is mounted, /etc/fstab has it, or something else is in the place; $1
 * the unit, $2 the place, $3 what is in the unit, $4 the block device, $5 the label of the filesystem, $6 how long to
 * wait for the device. Twice at once does no harm.
 */
const mountIt = `
[ -d /run/systemd/system ] || exit 0
left=$6
until [ -b "$4" ]; do
  [ "$left" -gt 0 ] || exit 0
  left=$((left - 1)); sleep 0.1
done
uuid=$(blkid -o value -s UUID "$4" 2>/dev/null)
while read -r what where rest; do
  case $what in "$4" | "LABEL=\${5:-/}" | "UUID=\${uuid:-/}") exit 0 ;; esac
  [ "$where" != "$2" ] || exit 0
done < /etc/fstab
numbers=$(stat -L -c '%t:%T' "$4") || exit 0
device=$(printf '%d:%d' "0x\${numbers%:*}" "0x\${numbers#*:}")
while read -r _ _ at _ target rest; do
  [ "$at" != "$device" ] && [ "$target" != "$2" ] || exit 0
done < /proc/self/mountinfo
file=${units}/$1
if [ -e "$file" ] || [ -L "$file" ]; then
  head -n 1 "$file" | grep -qxF '${ours}' || exit 0
else
  [ -z "$(ls -A "$2" 2>/dev/null)" ] || exit 0
fi
printf %s "$3" > "$file.$$" && mv "$file.$$" "$file" || exit 0
systemctl daemon-reload
systemctl enable --quiet "$1"
timeout 30 systemctl start "$1"
`;

/** Takes the unit $1 away, which nothing is mounted by any more, and its place $2. */
const takeAway = `
file=${units}/$1
head -n 1 "$file" 2>/dev/null | grep -qxF '${ours}' || exit 0
systemctl disable --quiet "$1"
rm -f "$file"
systemctl daemon-reload
rmdir "$2" 2>/dev/null
`;

/** The ways to mounts of machines; `path` is the instance's in Incus. */
export interface Mounts {
  /** Before a machine that runs gets the device: it mounts it though we end here. */
  announce(path: string, volume: VolumeAttachment): Promise<void>;
  /** Once the machine has the device. */
  mount(path: string, volume: VolumeAttachment): Promise<void>;
  /** For the next boot of a machine that does not run. */
  prepare(path: string, volumes: VolumeAttachment[]): Promise<void>;
  /** Once nothing of the volume with this device is mounted. */
  forget(path: string, device: string, running: boolean): Promise<void>;
}

export function volumeMounts({ client }: { client: IncusClient }): Mounts {
  const file = (path: string, name: string) => `${path}/files?path=${encodeURIComponent(name)}`;
  const wanted = (name: string) => `${units}/multi-user.target.wants/${name}`;
  const textOf = (path: string, name: string) =>
    client.text(file(path, name)).catch((error: unknown) => {
      // Anything else may hide what the owner has written.
      if (isNotFound(error)) return '';
      throw error;
    });

  async function run(path: string, command: string[]): Promise<void> {
    await harmless(() => execute(client, path, command));
  }

  function mounting(volume: VolumeAttachment, mount: Mount, wait: number): string[] {
    const { unit, target, content } = mount;
    const label = volume.filesystem?.label ?? '';
    return ['sh', '-c', mountIt, 'sh', unit, target, content, volumePath(volume.name), label, String(wait)];
  }

  async function write(path: string, volume: VolumeAttachment, { unit, target, content }: Mount) {
    const there = await textOf(path, `${units}/${unit}`);
    if (there && !there.startsWith(`${ours}\n`)) return;
    const specs = [volumePath(volume.name), `LABEL=${volume.filesystem?.label || '/'}`];
    for (const line of (await textOf(path, '/etc/fstab')).split('\n')) {
      const [what = '', where] = line.trim().split(/\s+/);
      if (specs.includes(what) || where === target) return;
    }
    const put = (name: string, type: string, body: string) =>
      client.request('POST', file(path, name), {
        body: Buffer.from(body),
        headers: { 'X-Incus-type': type, 'X-Incus-uid': '0', 'X-Incus-gid': '0', 'X-Incus-mode': '0644' },
      });
    await put(`${units}/${unit}`, 'file', content);
    if (!there) await put(wanted(unit), 'symlink', `${units}/${unit}`);
  }

  return {
    async announce(path, volume) {
      const mount = mountOf(volume);
      if (!mount) return;
      const apart = ['systemd-run', '--quiet', '--no-block', '--collect', '--'];
      await run(path, [...apart, ...mounting(volume, mount, patience)]);
    },
    async mount(path, volume) {
      const mount = mountOf(volume);
      if (mount) await run(path, mounting(volume, mount, 0));
    },
    async prepare(path, volumes) {
      for (const volume of volumes) {
        const mount = mountOf(volume);
        if (mount) await harmless(() => write(path, volume, mount));
      }
    },
    async forget(path, device, running) {
      const name = posix.basename(device).slice(posix.basename(volumePath('')).length);
      const unit = unitOf(name);
      if (running) return run(path, ['sh', '-c', takeAway, 'sh', unit, targetOf(name)]);
      await harmless(async () => {
        if (!(await textOf(path, `${units}/${unit}`)).startsWith(`${ours}\n`)) return;
        for (const each of [wanted(unit), `${units}/${unit}`])
          await client.request('DELETE', file(path, each));
      });
    },
  };
}

/** What goes wrong inside of a guest is its own matter; an Incus that does not answer is ours, and tried again. */
async function harmless(task: () => Promise<unknown>): Promise<void> {
  try {
    await task();
  } catch (error) {
    // Its shell does not end, or a file of it: a pipe that nobody writes to.
    if (error instanceof Unfinished || isTimeout(error)) return;
    if (!(error instanceof EngineError) || error.kind === 'unavailable' || error.kind === 'busy') throw error;
  }
}

/** Whether an answer did not come in its time. An Incus that hangs does not answer what follows either. */
const isTimeout = (error: unknown): boolean =>
  error instanceof EngineError && error.cause instanceof Error && error.cause.name.endsWith('TimeoutError');
