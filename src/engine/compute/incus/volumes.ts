/** Block volumes on machines. */
import { posix } from 'node:path';
import { EngineError } from '../../../base/engine-error.ts';
import type { Compute } from '../port.ts';
import type { IncusContext } from './context.ts';
import { says } from './errors.ts';
import { execute } from './exec.ts';
import { instancePath, rewrite, update } from './instances.ts';
import { volumeMounts } from './mounts.ts';
import { secondVolumeDevice, secondVolumeKey, volumeDevice, volumeKey } from './spec.ts';

/** The exit code of `letGo` for a volume that is in use. */
const inUse = 16;

/**
 * Unmounts everywhere what is mounted of the block device $1, in a shell that every operating system has. In use is
 * what cannot be unmounted (unless it just has been), what containers inside have mounted in their own namespaces,
 * and what a process has open.
 */
const letGo = `
if ! [ -b "$1" ]; then
  while read -r line; do
    case $line in *" $1 "*) echo "mounted, and its device removed"; exit ${inUse} ;; esac
  done < /proc/self/mountinfo
  exit 0
fi
numbers=$(stat -L -c '%t:%T' "$1") || exit 1
device=$(printf '%d:%d' "0x\${numbers%:*}" "0x\${numbers#*:}")
mounted() {
  while read -r _ _ at _ target _; do
    if [ "$at" = "$device" ]; then printf '%b' "$target"; return 0; fi
  done < "$1"
  return 1
}
while target=$(mounted /proc/self/mountinfo); do
  umount "$target" || [ "$(mounted /proc/self/mountinfo)" != "$target" ] || exit ${inUse}
done
for each in /proc/[0-9]*; do
  if mounted "$each/mountinfo" >/dev/null 2>&1; then echo "mounted in a namespace of process \${each#/proc/}"; exit ${inUse}; fi
done
open=$(stat -L -c '%t:%T:%F' /proc/[0-9]*/fd/* 2>/dev/null)
case "$open" in
  *"$numbers:block special file"*) echo "opened by a process"; exit ${inUse} ;;
esac
exit 0
`;

/** Takes away what `attachVolume` has left below the second device of a volume: its file, perhaps with a mount on it. */
const takeAway = 'umount "$1" 2>/dev/null; rm -f "$1"';

export function attachments(context: IncusContext): Pick<Compute, 'attachVolume' | 'detachVolume'> {
  const { client } = context;
  const mounts = volumeMounts(context);

  return {
    async attachVolume(name, volume) {
      const machine = await context.complete(name);
      const path = instancePath(machine.name);
      const running = machine.status === 'Running';
      if (machine.devices[secondVolumeKey(volume.id)])
        return running ? mounts.mount(path, volume) : undefined;
      await (running ? mounts.announce(path, volume) : mounts.prepare(path, [volume]));
      const add = (key: string, device: Record<string, string>) =>
        update(client, 'PATCH', path, { devices: { [key]: device } });
      try {
        await add(volumeKey(volume.id), volumeDevice(volume));
      } catch (error) {
        // A daemon that died in the middle has given the machine the device and has no record of it: it stumbles over
        // its file until the machine stops, and would not take it away either. A second one is recorded.
        if (!says(error, /failed to create device .* file exists/i)) throw error;
        await add(secondVolumeKey(volume.id), secondVolumeDevice(volume));
      }
      if (running) await mounts.mount(path, volume);
    },
    async detachVolume(name, volumeId) {
      const machine = await context.complete(name);
      const keys = [volumeKey(volumeId), secondVolumeKey(volumeId)];
      const device = keys.map((key) => machine.devices[key]).find(Boolean);
      if (!device) return;
      const path = posix.normalize(device['path'] ?? '');
      const inside = (script: string) =>
        execute(client, instancePath(machine.name), ['sh', '-c', script, 'sh', path]);
      if (machine.status === 'Running') {
        const { code, output } = await inside(letGo);
        if (code !== 0)
          throw new EngineError(
            code === inUse ? 'rejected' : 'failed',
            `incus: volume ${volumeId} cannot be taken off ${name}: ${output.trim()} (${code})`,
          );
      }
      await mounts.forget(instancePath(machine.name), path, machine.status === 'Running');
      const others = Object.entries(machine.devices).filter(([key]) => !keys.includes(key));
      await rewrite(client, machine, { devices: Object.fromEntries(others) });
      if (machine.status === 'Running' && machine.devices[secondVolumeKey(volumeId)]) await inside(takeAway);
    },
  };
}
