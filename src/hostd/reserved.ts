import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { HostAddress } from '../engine/node/port.ts';
import { cutConnections, misledAddresses } from './conntrack.ts';
import { run } from './exec.ts';
import { type Files, recordFiles } from './files.ts';
import { allowHairpin } from './hairpin.ts';
import type { PublicNetwork } from './network.ts';
import type { PacketFilter } from './packet-filter.ts';
import { type Registry, registry } from './registry.ts';
import { parseAddress } from './validate.ts';

/** The reserved addresses in force. */
export type Addresses = Registry<string, HostAddress>;

export function addressRegistry(files: Files<string>, network: PublicNetwork, clock: Clock): Addresses {
  const kind = {
    name: 'address',
    idOf: ({ ip }: HostAddress) => ip,
    identities: () => [],
    parse: (saved: unknown, ip: string) => parseAddress(saved, ip, network),
  };
  return registry(kind, files, clock);
}

/** Where they are kept. */
export const addressFiles = (state: string): Files<string> =>
  recordFiles(join(state, 'addresses'), (text) => (/^[0-9a-f.:]+$/.test(text) ? text : undefined));

/** Leads what comes to reserved addresses to droplets. */
export interface Reserved {
  /** Takes up what was saved. */
  load(): Promise<void>;
  /** Leads an address to a target, or nowhere; also the connections that there were. Throws Stale. */
  publish(address: HostAddress, generation: number): Promise<void>;
  withdraw(ip: string, generation: number): Promise<void>;
  all(): HostAddress[];
  /** The newest generation that was seen of any address. */
  newest(): number;
  /** Repairs what `packetFilter.heal` does not: the routes, and connections that are led elsewhere still. */
  heal(): Promise<void>;
  /** Takes away what it has made. */
  remove(): Promise<void>;
}

export function reservedAddresses(parts: {
  network: PublicNetwork;
  addresses: Addresses;
  packetFilter: PacketFilter;
  /** The MAC address of the droplet that has this address. */
  macOf(ip: string): string | undefined;
}): Reserved {
  const { network, addresses, packetFilter, macOf } = parts;
  const { reserved } = network;
  /** Addresses whose connections must be cut. */
  const toCut = new Set<string>();
  /** Whether connections may have been kept that a killed hostd was about to cut. */
  let unsure = true;

  async function cut(): Promise<void> {
    for (const ip of toCut) {
      await cutConnections(ip, { egress: reserved?.routed ?? false });
      toCut.delete(ip);
    }
  }

  async function follow(ip: string, before: HostAddress | undefined): Promise<void> {
    if (before?.target !== addresses.get(ip)?.target) toCut.add(ip);
    await Promise.all([packetFilter.change().then(cut), allowHairpin(network.bridge, macs())]);
  }

  function macs(): Set<string> {
    const targets = addresses.all().flatMap(({ target }) => target ?? []);
    return new Set(targets.flatMap((target) => macOf(target) ?? []));
  }

  return {
    load: () => addresses.load(),
    async publish(address, generation) {
      await follow(address.ip, await addresses.publish(address, generation));
    },
    async withdraw(ip, generation) {
      await follow(ip, await addresses.withdraw(ip, generation));
    },
    all: () => addresses.all(),
    newest: () => addresses.newest(),
    async heal() {
      await addresses.forget();
      if (!reserved) return;
      await addRoutes(network, reserved);
      if (unsure) for (const ip of await misledAddresses(addresses.all(), reserved.includes)) toCut.add(ip);
      unsure = false;
      await cut();
      await allowHairpin(network.bridge, macs());
    },
    async remove() {
      if (!reserved) return;
      for (const range of [reserved.ipv4, reserved.ipv6]) {
        // There is none where the bridge is gone.
        await run('ip', [...family(range), 'route', 'del', range, 'dev', network.bridge]).catch(() => {});
      }
    },
  };
}

/**
 * The host needs a way to an address before its own packets come to where they are translated; over the bridge, it
 * asks from an address that droplets can answer to.
 */
async function addRoutes(
  { bridge, gateway }: PublicNetwork,
  { ipv4, ipv6 }: { ipv4: string; ipv6: string },
): Promise<void> {
  await run('ip', ['route', 'replace', ipv4, 'dev', bridge, 'src', gateway]);
  await run('ip', ['-6', 'route', 'replace', ipv6, 'dev', bridge]);
}

const family = (range: string) => (range.includes(':') ? ['-6'] : ['-4']);
