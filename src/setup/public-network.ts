import { randomBytes } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import { run } from './command.ts';

/** The ranges of a network, as CIDR. */
export interface Ranges {
  /** `10.77.0.0/16` */
  ipv4: string;
  /** `fd12:3456:789a:1::/64` */
  ipv6: string;
}

/**
 * Picks the ranges of a public network, of which the first address is the gateway's; they collide with no address or
 * route of this machine. Made once for an Atoll: its configuration keeps the answer.
 */
export async function choosePublicNetwork(): Promise<Ranges> {
  return freeRanges(await rangesOfMachine(), randomBytes(7));
}

/**
 * Picks the ranges of reserved addresses, by the same rule. They are on no interface and in no route, so that those of
 * other Atolls on this machine must be told: `others`.
 */
export async function chooseReservedNetwork(others: readonly string[]): Promise<Ranges> {
  return freeReservedRanges([...(await rangesOfMachine()), ...others], randomBytes(8));
}

async function rangesOfMachine(): Promise<string[]> {
  const texts = await Promise.all([
    run('ip', ['-j', 'addr']),
    run('ip', ['-j', 'route', 'show', 'table', 'all']),
    run('ip', ['-j', '-6', 'route', 'show', 'table', 'all']),
  ]);
  return takenRanges(...texts.map(({ stdout }) => stdout));
}

/** The ranges that the JSON of `ip addr` and `ip route` names; default routes take none. */
export function takenRanges(...documents: string[]): string[] {
  const ranges: string[] = [];
  for (const document of documents) {
    const entries: IpEntry[] = JSON.parse(document || '[]');
    for (const entry of entries) {
      for (const address of entry.addr_info ?? []) ranges.push(`${address.local}/${address.prefixlen}`);
      const { dst } = entry;
      if (dst && dst !== 'default' && !dst.endsWith('/0')) ranges.push(dst);
    }
  }
  return ranges.map((range) => (range.includes('/') ? range : `${range}/${range.includes(':') ? 128 : 32}`));
}

interface IpEntry {
  addr_info?: { local: string; prefixlen: number }[];
  dst?: string;
}

/**
 * An IPv4 /16 of 10.64.0.0/10 (the part of 10/8 that people use least) and a unique local IPv6 /64 (RFC 4193)
 * that overlap none of `taken`. `random` is 7 bytes. Throws where no /16 is free.
 */
export function freeRanges(taken: readonly string[], random: Uint8Array): Ranges {
  const start = random[0] ?? 0;
  const second = Array.from({ length: 64 }, (_, index) => 64 + ((start + index) % 64)).find(
    (candidate) => !taken.some((range) => overlap(range, `10.${candidate}.0.0/16`)),
  );
  if (second === undefined)
    throw new Error('No /16 within 10.64.0.0/10 is free on this machine: set publicNetwork in config.json');
  return { ipv4: `10.${second}.0.0/16`, ipv6: uniqueLocal(random.subarray(1)) };
}

/**
 * An IPv4 /20 of 10.192.0.0/10 (beyond the public networks and the VPCs) and a unique local IPv6 /64 that overlap none
 * of `taken`. `random` is 8 bytes. Throws where no /20 is free.
 */
export function freeReservedRanges(taken: readonly string[], random: Uint8Array): Ranges {
  const count = 64 * 16;
  const start = ((random[0] ?? 0) << 8) | (random[1] ?? 0);
  const ipv4 = Array.from({ length: count }, (_, index) => {
    const place = (start + index) % count;
    return `10.${192 + Math.floor(place / 16)}.${(place % 16) * 16}.0/20`;
  }).find((candidate) => !taken.some((range) => overlap(range, candidate)));
  if (ipv4 === undefined)
    throw new Error(
      'No /20 within 10.192.0.0/10 is free on this machine: set reservedNetwork in config.json',
    );
  return { ipv4, ipv6: uniqueLocal(random.subarray(2)) };
}

/** A unique local /64 out of 5 random bytes: 40 bits, of which the machine can have no other route by accident. */
function uniqueLocal(random: Uint8Array): string {
  const group = (index: number) =>
    (((random[index] ?? 0) << 8) | (random[index + 1] ?? 0)).toString(16).padStart(4, '0');
  return `${(0xfd00 | (random[0] ?? 0)).toString(16)}:${group(1)}:${group(3)}:1::/64`;
}

/** Whether two CIDR ranges share an address. */
function overlap(a: string, b: string): boolean {
  const [left, leftBits] = ipaddr.parseCIDR(a);
  const [right, rightBits] = ipaddr.parseCIDR(b);
  const bits = Math.min(leftBits, rightBits);
  if (left instanceof ipaddr.IPv4 && right instanceof ipaddr.IPv4) return left.match(right, bits);
  return left instanceof ipaddr.IPv6 && right instanceof ipaddr.IPv6 && left.match(right, bits);
}
