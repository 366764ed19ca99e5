/** The droplet actions there are, and what each changes of what is wanted. */
import type { Static } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import { invalid, quoted, unprocessable } from '../../http/errors.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { Tx } from '../../store/store.ts';
import { pairedIpv6 } from '../addresses/index.ts';
import { disableBackups, enableBackups, parsePolicy } from '../backups/index.ts';
import type { CloudContext } from '../context.ts';
import { dropletUrn, type LockedDroplet } from '../droplet-state/index.ts';
import { needSpace, reserveMore } from '../hosts/index.ts';
import { isImageOf, newSnapshot, type OrderedImage, orderImage } from '../images/index.ts';
import { findSize, orderableSize } from '../sizes/index.ts';
import { wireTime } from '../wire-time.ts';
import { checkName } from './create.ts';
import { newPassword, newRootAccess, sealPassword } from './root-access.ts';
import { takenOfHost } from './row.ts';
import type { DropletActionRequest } from './schema.ts';
import type { Undo } from './undo.ts';

export type Ask = Static<typeof DropletActionRequest>;

/** What an action changes of the droplet's row. */
export type Change = Undo &
  Partial<{
    power: 'on' | 'off';
    boot: number;
    stop: 'graceful' | 'force';
    name: string;
    new_password: string;
  }>;

export interface Acting {
  tx: Tx;
  caller: Caller;
  droplet: LockedDroplet;
  ask: Ask;
  at: Date;
  context: CloudContext;
  secrets: Secrets;
}

/** @throws ApiError where the request or the droplet's state does not allow it */
type ChangeFor = (acting: Acting) => Change | Promise<Change>;

const changes: Record<string, ChangeFor> = {
  power_on: () => ({ power: 'on' }),
  power_off: ({ droplet }) => {
    if (droplet.status === 'off') throw unprocessable('Droplet is already powered off');
    return { power: 'off', stop: 'force' };
  },
  shutdown: ({ droplet }) => {
    if (droplet.status === 'off') throw unprocessable('Droplet is already powered off');
    return { power: 'off', stop: 'graceful' };
  },
  power_cycle: ({ droplet }) => ({ power: 'on', boot: droplet.boot + 1, stop: 'force' }),
  reboot: ({ droplet }) => {
    if (droplet.status === 'off')
      throw unprocessable('Droplet is powered off. Power it on with the power_on action.');
    return { power: 'on', boot: droplet.boot + 1, stop: 'graceful' };
  },
  rename: ({ ask }) => {
    if (!ask.name) throw invalid('name', 'is missing: a rename needs the new name.');
    checkName('name', ask.name);
    return { name: ask.name };
  },
  // It reaches the owner by mail, as on DigitalOcean.
  password_reset: ({ droplet, secrets }) => ({
    power: 'on',
    new_password: sealPassword(secrets, droplet.id, newPassword()),
    root_password_hash: null,
  }),
  resize: resize,
  rebuild: async ({ tx, caller, droplet, ask, context, secrets }) => {
    if (ask.image === undefined)
      throw invalid('image', 'is missing: the id or slug of the image to rebuild from.');
    const image = await orderImage(tx, caller.teamId, ask.image, placeOf(droplet, context));
    await needSpace(tx, dropletUrn(droplet.id), 'pool');
    return { ...newDisk(droplet, image), ...(await accessAfterRebuild(droplet, image, secrets)) };
  },
  restore: async ({ tx, caller, droplet, ask, context }) => {
    if (ask.image === undefined)
      throw invalid('image', 'is missing: the id of the backup or snapshot to restore.');
    const imageId = imageIdOf(ask.image);
    if (!(await isImageOf(tx, droplet.id, imageId))) {
      throw invalid(
        'image',
        `${quoted(String(ask.image))} is not a backup or snapshot of this Droplet. To use another image, rebuild.`,
      );
    }
    await needSpace(tx, dropletUrn(droplet.id), 'pool');
    return newDisk(droplet, await orderImage(tx, caller.teamId, imageId, placeOf(droplet, context)));
  },
  snapshot: async ({ tx, caller, droplet, ask, at }) => {
    await needSpace(tx, dropletUrn(droplet.id), 'pool');
    await newSnapshot(tx, {
      teamId: caller.teamId,
      dropletId: droplet.id,
      name: ask.name || `${droplet.name} ${wireTime(at)}`,
      type: 'snapshot',
      region: droplet.region,
      minDiskGib: diskOf(droplet),
      imageId: droplet.image_id,
      at,
    });
    return {};
  },
  enable_ipv6: ({ droplet, context }) => {
    if (droplet.public_ipv6 !== null) throw unprocessable('IPv6 is already enabled on this Droplet.');
    return {
      features: [...droplet.features, 'ipv6'],
      public_ipv6: pairedIpv6(droplet.public_ipv4, context.network.ipv4, context.network.ipv6),
    };
  },
  // Every droplet is in a VPC.
  enable_private_networking: () => ({}),
  enable_backups: async ({ tx, droplet, ask, at }) => {
    if (droplet.backup_plan !== null) throw unprocessable('Backups are already enabled on this Droplet.');
    await enableBackups(tx, droplet, parsePolicy('backup_policy', ask.backup_policy), at);
    return {};
  },
  change_backup_policy: async ({ tx, droplet, ask, at }) => {
    if (droplet.backup_plan === null) throw unprocessable('Backups are not enabled on this Droplet.');
    if (!ask.backup_policy)
      throw invalid('backup_policy', 'is missing: the plan, with its weekday and hour.');
    await enableBackups(tx, droplet, parsePolicy('backup_policy', ask.backup_policy), at);
    return {};
  },
  disable_backups: async ({ tx, droplet, at }) => {
    if (droplet.backup_plan === null) throw unprocessable('Backups are not enabled on this Droplet.');
    await disableBackups(tx, droplet, at);
    return {};
  },
  change_kernel: () => {
    throw unprocessable(
      'Kernels are managed by the operating system on this Droplet; there is none to choose.',
    );
  },
};

async function resize({ tx, droplet, ask, context }: Acting): Promise<Change> {
  if (!ask.size) throw invalid('size', 'is missing: the slug of the size to resize to.');
  if (droplet.status !== 'off') throw unprocessable('Droplet must be powered off before it can be resized.');
  const size = orderableSize(ask.size, context.hostMemoryMib);
  if (size.slug === droplet.size && (!ask.disk || size.disk === diskOf(droplet))) {
    throw unprocessable('Droplet already has this size.');
  }
  const disk = diskOf(droplet);
  if (size.disk < disk) {
    throw invalid(
      'size',
      `${size.slug} has a disk of ${size.disk} GB, this Droplet's has ${disk} GB: a disk cannot become smaller.`,
    );
  }
  const change = { size: size.slug, disk_gib: ask.disk ? size.disk : disk };
  await reserveMore(tx, dropletUrn(droplet.id), takenOfHost({ id: droplet.id, ...change }));
  return change;
}

function newDisk(droplet: LockedDroplet, image: { id: number; minDisk: number }): Change {
  if (image.minDisk > diskOf(droplet)) {
    throw invalid(
      'image',
      `needs a disk of ${image.minDisk} GB; this Droplet's has ${diskOf(droplet)} GB. Resize it first.`,
    );
  }
  return { image_id: image.id, root: droplet.root + 1, power: 'on' };
}

/**
 * A new disk has none of the old one's passwords: without SSH keys a new one is mailed. Not where it is the disk of this
 * very droplet again, whose first boot is over: it has the password it had.
 */
async function accessAfterRebuild(
  droplet: LockedDroplet,
  image: OrderedImage,
  secrets: Secrets,
): Promise<Change> {
  if (image.dropletId === droplet.id) return {};
  if (droplet.public_keys.length > 0 || image.custom) return { root_password_hash: null };
  const { password, root_password_hash } = await newRootAccess();
  return { new_password: sealPassword(secrets, droplet.id, password), root_password_hash };
}

/** The id that a restore names; 0, which no image has, for text that is none. */
const imageIdOf = (image: number | string): number => (/^\d{1,15}$/.test(String(image)) ? Number(image) : 0);

/** Where an image is to be used for a droplet's disk. */
const placeOf = ({ region }: LockedDroplet, { imageHost: host }: CloudContext) => ({ region, host });

/** The disk that a droplet has, GiB. */
const diskOf = (droplet: LockedDroplet): number => droplet.disk_gib ?? findSize(droplet.size)?.disk ?? 0;

/** What an action of this type changes. @throws ApiError 422 where it is none */
export function changeOf(type: string): ChangeFor {
  const change = Object.hasOwn(changes, type) ? changes[type] : undefined;
  if (change) return change;
  throw invalid(
    'type',
    `${quoted(type)} is not a droplet action. Known: ${Object.keys(changes).join(', ')}.`,
  );
}

/** What may be asked of all droplets with a tag. Source: the published document, dropletActions_post_byTag. */
export const byTag = new Set([
  'power_cycle',
  'power_on',
  'power_off',
  'shutdown',
  'reboot',
  'enable_private_networking',
  'enable_ipv6',
  'enable_backups',
  'disable_backups',
  'snapshot',
]);
