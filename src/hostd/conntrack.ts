import type { HostAddress } from '../engine/node/port.ts';
import { run } from './exec.ts';
import { canonicalAddress } from './network.ts';

/** A connection as the kernel follows it: the packets of whoever opened it, and the answers. */
interface Flow {
  original: { from: string; to: string };
  answer: { from: string; to: string };
}

/**
 * Forgets the connections that were led by a reserved address, so that their next packets are led anew: those to it,
 * and with `egress` those that a droplet opened from it.
 */
export async function cutConnections(ip: string, { egress }: { egress: boolean }): Promise<void> {
  const family = ip.includes(':') ? 'ipv6' : 'ipv4';
  const cut = (side: string) =>
    run('conntrack', ['-D', '-f', family, side, ip]).catch((error: unknown) => {
      if (!String(error).includes('0 flow entries')) throw error;
    });
  await Promise.all([cut('--orig-dst'), egress && cut('--reply-dst')]);
}

/** The addresses within `isReserved` over which a connection leads to another target than it should. */
export async function misledAddresses(
  addresses: HostAddress[],
  isReserved: (ip: string) => boolean,
): Promise<string[]> {
  const targets = new Map(addresses.map(({ ip, target }) => [ip, target]));
  const misled = new Set<string>();
  for (const family of ['ipv4', 'ipv6']) {
    for (const { original, answer } of flowsIn(await run('conntrack', ['-L', '-f', family, '--any-nat']))) {
      const ways = [
        { ip: original.to, target: answer.from },
        { ip: answer.to, target: original.from },
      ];
      for (const { ip, target } of ways) {
        if (isReserved(ip) && targets.get(ip) !== target) misled.add(ip);
      }
    }
  }
  return [...misled];
}

/** The flows that `conntrack -L` lists, a line each. */
export function flowsIn(listing: string): Flow[] {
  return listing.split('\n').flatMap((line) => {
    const [from, to, answerFrom, answerTo] = [...line.matchAll(/\b(?:src|dst)=(\S+)/g)].map((match) =>
      canonicalAddress(match[1] ?? ''),
    );
    return from && to && answerFrom && answerTo
      ? { original: { from, to }, answer: { from: answerFrom, to: answerTo } }
      : [];
  });
}
