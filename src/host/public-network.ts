import { randomBytes } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import { run } from './command.ts';

/** The ranges of a public network; the first address of each is the gateway's. */
export interface PublicNetwork {
  /** `10.77.0.0/16` */
  ipv4: string;
  /** `fd12:3456:789a:1::/64` */
  ipv6: string;
}

/**
 * Picks ranges that collide with no address or route of this machine. Made once for an Atoll: its
 * configuration keeps the answer.
 */
export async function choosePublicNetwork(): Promise<PublicNetwork> {
  const texts = await Promise.all([
    run('ip', ['-j', 'addr']),
    run('ip', ['-j', 'route', 'show', 'table', 'all']),
    run('ip', ['-j', '-6', 'route', 'show', 'table', 'all']),
  ]);
  return freeRanges(takenRanges(...texts.map(({ stdout }) => stdout)), randomBytes(7));
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
export function freeRanges(taken: readonly string[], random: Uint8Array): PublicNetwork {
  const start = random[0] ?? 0;
  const second = Array.from({ length: 64 }, (_, index) => 64 + ((start + index) % 64)).find(
    (candidate) => !taken.some((range) => overlap(range, `10.${candidate}.0.0/16`)),
  );
  if (second === undefined)
    throw new Error('No /16 within 10.64.0.0/10 is free on this machine: set publicNetwork in config.json');
  const group = (index: number) =>
    (((random[index] ?? 0) << 8) | (random[index + 1] ?? 0)).toString(16).padStart(4, '0');
  // 40 random bits of a /48, of which the machine can have no other route by accident.
  const first = (0xfd00 | (random[1] ?? 0)).toString(16);
  return { ipv4: `10.${second}.0.0/16`, ipv6: `${first}:${group(2)}:${group(4)}:1::/64` };
}

/** Whether two CIDR ranges share an address. */
function overlap(a: string, b: string): boolean {
  const [left, leftBits] = ipaddr.parseCIDR(a);
  const [right, rightBits] = ipaddr.parseCIDR(b);
  const bits = Math.min(leftBits, rightBits);
  if (left instanceof ipaddr.IPv4 && right instanceof ipaddr.IPv4) return left.match(right, bits);
  return left instanceof ipaddr.IPv6 && right instanceof ipaddr.IPv6 && left.match(right, bits);
}
