import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import type { CloudMark } from '../engine/cloud-mark.ts';
import type { HostAddress, HostDroplet, HostVolume } from '../engine/node/port.ts';
import { canonicalAddress, type PublicNetwork } from './network.ts';

/** Why an entry is refused: the path of the field and what is wrong with it, never its value. */
export class InvalidEntry extends Error {
  override readonly name = 'InvalidEntry';
}

/** An entry with the generation it was wanted in. */
export interface Publication {
  generation: number;
  entry: HostDroplet;
}

/** Whether it is a uuid, in lower case. */
export const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);

const uuid = z.string().refine(isUuid, 'is not a lower-case uuid');
const text = (max: number) => z.string().max(max);
const ipv4 = z.string().refine(isIPv4, 'is not an IPv4 address');
// A scope (`%eth0`) is IPv6 syntax too, but of no address of a droplet.
const isPlainIPv6 = (value: string) => isIPv6(value) && !value.includes('%');
const ipv6 = z.string().refine(isPlainIPv6, 'is not an IPv6 address');
const mac = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'is not a lower-case MAC address');
const dropletId = z.int().positive();

/** DigitalOcean's limit on user data; vendor data is the cloud's own and gets as much. */
const DATA_LIMIT = 64 * 1024;
const data = z.string().refine((value) => Buffer.byteLength(value) <= DATA_LIMIT, 'is over 64 KiB');

const networkInterface = z.strictObject({
  type: z.enum(['public', 'private']),
  mac,
  ipv4: z.strictObject({ ip_address: ipv4, netmask: ipv4, gateway: ipv4 }).optional(),
  ipv6: z.strictObject({ ip_address: ipv6, cidr: z.int().min(0).max(128), gateway: ipv6 }).optional(),
});

const floatingIp = z.strictObject({
  ipv4: z.strictObject({ active: z.boolean(), ip_address: ipv4.optional() }),
});
const reservedIp = floatingIp.extend({
  ipv6: z.strictObject({ active: z.boolean(), ip_address: ipv6.optional() }).optional(),
});

const metadata = z.strictObject({
  droplet_id: dropletId,
  hostname: text(255),
  user_data: data.optional(),
  vendor_data: data,
  public_keys: z.array(text(16 * 1024)).max(1000),
  auth_key: text(1024).optional(),
  region: text(64),
  interfaces: z.strictObject({
    public: z.array(networkInterface).max(8).optional(),
    private: z.array(networkInterface).max(8).optional(),
  }),
  dns: z.strictObject({ nameservers: z.array(z.union([ipv4, ipv6])).max(16) }),
  tags: z.array(text(255)).max(10_000),
  features: z.record(text(64), z.boolean()),
  floating_ip: floatingIp,
  reserved_ip: reservedIp,
});

const publication: z.ZodType<Publication> = z.strictObject({
  generation: z.int().min(0),
  entry: z.strictObject({ id: dropletId, mac, ipv4, ipv6: ipv6.optional(), metadata: metadata.optional() }),
});

/** Whether it may be made where it is absent: only who says so has it made. */
const make = z.boolean().default(false);

/** DigitalOcean's largest volume has 16 TiB. */
const volume = z.strictObject({
  sizeGib: z
    .int()
    .min(1)
    .max(16 * 1024),
  filesystem: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('ext4'), label: text(16) }),
      z.strictObject({ type: z.literal('xfs'), label: text(12) }),
    ])
    .optional(),
  fromSnapshot: uuid.optional(),
  make,
});

const snapshot = z.strictObject({ volume: uuid, make });

const cloudMark: z.ZodType<CloudMark> = z.strictObject({ cloud: uuid, since: z.iso.datetime() });

const publishedAddress = z.strictObject({
  generation: z.int().min(0),
  entry: z.strictObject({ ip: text(64), target: z.union([ipv4, ipv6]).optional() }),
});

/**
 * Checks what claims to be the publication of droplet `id`: its types and sizes, and that its addresses are ones
 * that a droplet may have on the public network. Throws InvalidEntry.
 */
export function parsePublication(value: unknown, id: number, network: PublicNetwork): Publication {
  const { generation, entry } = checked(publication, value);
  if (entry.id !== id) throw new InvalidEntry('entry.id: is not the id of the path');
  if (entry.metadata && entry.metadata.droplet_id !== id) {
    throw new InvalidEntry('entry.metadata.droplet_id: is not the id of the droplet');
  }
  for (const field of ['ipv4', 'ipv6'] as const) {
    const address = entry[field];
    if (address !== undefined && !network.includes(address)) {
      throw new InvalidEntry(`entry.${field}: is not an address for a droplet on the public network`);
    }
  }
  return { generation, entry };
}

/** Checks what claims to be a volume. Throws InvalidEntry. */
export function parseVolume(value: unknown, id: string): { volume: HostVolume; make: boolean } {
  const { sizeGib, filesystem, fromSnapshot, make } = checked(volume, value);
  const parts = { ...(filesystem && { filesystem }), ...(fromSnapshot && { fromSnapshot }) };
  return { volume: { id, sizeGib, ...parts }, make };
}

/** Checks what claims to say whose this host is. Throws InvalidEntry. */
export function parseCloudMark(value: unknown): CloudMark {
  return checked(cloudMark, value);
}

/** Checks what claims to name the volume that a snapshot is taken of. Throws InvalidEntry. */
export function parseSnapshot(value: unknown): { volume: string; make: boolean } {
  return checked(snapshot, value);
}

const diskLimit = z.strictObject({ bytes: z.int().min(2 ** 20), room: z.boolean() });

/** Checks what claims to be the limit of a disk. Throws InvalidEntry. */
export function parseDiskLimit(value: unknown): { bytes: number; room: boolean } {
  return checked(diskLimit, value);
}

/**
 * Checks what claims to be the publication of the reserved address `ip`: that it is one, and that its target is an
 * address that a droplet may have. Throws InvalidEntry.
 */
export function parseAddress(
  value: unknown,
  ip: string,
  network: PublicNetwork,
): { generation: number; entry: HostAddress } {
  const { generation, entry } = checked(publishedAddress, value);
  if (
    entry.ip !== ip ||
    !(isIPv4(ip) || isPlainIPv6(ip)) ||
    canonicalAddress(ip) !== ip ||
    !network.reserved?.includes(ip)
  ) {
    throw new InvalidEntry('entry.ip: is not a reserved address of this host');
  }
  const { target } = entry;
  if (target === undefined) return { generation, entry: { ip } };
  if (isIPv4(target) !== isIPv4(ip) || canonicalAddress(target) !== target || !network.includes(target)) {
    throw new InvalidEntry('entry.target: is not an address for a droplet of the same family');
  }
  return { generation, entry: { ip, target } };
}

function checked<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidEntry(`${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}
