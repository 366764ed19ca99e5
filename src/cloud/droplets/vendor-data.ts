/** What cloud-init is told at a droplet's first boot besides what its owner says. */
import { allowRootPassword } from '../../engine/root-login.ts';
import { applicationVendorData } from '../one-clicks/index.ts';
import type { DropletRow } from './row.ts';

type Of = Pick<DropletRow, 'image_id' | 'root_password_hash'>;

/**
 * Its application's script, and the root password of a droplet that was ordered without SSH keys. The password is set by
 * a boothook: cloud-init runs that before sshd starts, and before it does what user data says of passwords and of sshd,
 * which so prevails. `users: []`: images of old lock root's password again where there is no such word.
 */
export function vendorData({ image_id, root_password_hash }: Of): string {
  const application = applicationVendorData(image_id);
  if (root_password_hash === null) return application ?? '#cloud-config\n{}\n';
  const parts = [
    { type: 'text/cloud-boothook', content: passwordHook(root_password_hash) },
    { type: 'text/cloud-config', content: '#cloud-config\nusers: []\n' },
    ...(application === undefined ? [] : [{ type: 'text/x-shellscript', content: application }]),
  ];
  return `#cloud-config-archive\n${JSON.stringify(parts, undefined, 1)}\n`;
}

/** A boothook runs at every boot; this does its work once in the life of a disk as this droplet's. */
const passwordHook = (hash: string): string => `#!/bin/sh
done=/var/lib/cloud/instance/sem/root_password
[ ! -e "$done" ] || exit 0
printf '%s\\n' 'root:${hash}' | chpasswd -e || exit
${allowRootPassword}
mkdir -p "\${done%/*}" && : > "$done"
`;
