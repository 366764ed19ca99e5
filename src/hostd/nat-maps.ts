import type { HostAddress } from '../engine/node/port.ts';
import { canonicalAddress } from './network.ts';

/** nft's maps: by reserved address the droplet's (`reserved`), and by the droplet's the reserved one (`egress`). */
export type NatMaps = Record<'reserved4' | 'reserved6' | 'egress4' | 'egress6', Map<string, string>>;

const empty = (): NatMaps => ({
  reserved4: new Map(),
  reserved6: new Map(),
  egress4: new Map(),
  egress6: new Map(),
});

/** The maps for these addresses. Of two that lead to one droplet, it shows itself with the later one. */
export function natMaps(addresses: HostAddress[]): NatMaps {
  const maps = empty();
  for (const { ip, target } of addresses) {
    if (target === undefined) continue;
    const family = ip.includes(':') ? 6 : 4;
    maps[`reserved${family}`].set(ip, target);
    maps[`egress${family}`].set(target, ip);
  }
  return maps;
}

/** The commands for `nft -f` that make the maps of a table other ones, in one transaction. */
export function mapChanges(table: string, held: NatMaps, wanted: NatMaps): string[] {
  return mapNames.flatMap((name) => {
    const of = (verb: string, [from, to]: [string, string]) =>
      `${verb} element inet ${table} ${name} { ${from} : ${to} }`;
    const gone = [...held[name]].filter(([from, to]) => wanted[name].get(from) !== to);
    const come = [...wanted[name]].filter(([from, to]) => held[name].get(from) !== to);
    return [...gone.map((each) => of('delete', each)), ...come.map((each) => of('add', each))];
  });
}

const mapNames = ['reserved4', 'reserved6', 'egress4', 'egress6'] as const;

/** Takes apart what `nft -j list table` answers: what the table is but for the elements of its maps, and those. */
export function parseListing(text: string): { table: string; maps: NatMaps } {
  const { nftables }: { nftables: { map?: { name: string; elem?: [string, string][] } }[] } =
    JSON.parse(text);
  const maps = empty();
  for (const { map } of nftables) {
    const name = mapNames.find((each) => each === map?.name);
    if (!map || !name) continue;
    for (const [from, to] of map.elem ?? []) maps[name].set(canonicalAddress(from), canonicalAddress(to));
    delete map.elem;
  }
  return { table: JSON.stringify(nftables), maps };
}
