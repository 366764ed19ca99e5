import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { HostDroplet } from '../engine/node/port.ts';
import { type Files, recordFiles } from './files.ts';
import { canonicalAddress, type PublicNetwork } from './network.ts';
import { type Registry, registry } from './registry.ts';
import { parsePublication } from './validate.ts';

/** The droplets' entries in force. A MAC and an address belong to one droplet at a time. */
export type Droplets = Registry<number, HostDroplet>;

export function dropletRegistry(files: Files<number>, network: PublicNetwork, clock: Clock): Droplets {
  const kind = {
    name: 'droplet',
    idOf: ({ id }: HostDroplet) => id,
    identities: ({ mac, ipv4, ipv6 }: HostDroplet) => [mac, ipv4, ...(ipv6 ? [canonicalAddress(ipv6)] : [])],
    parse: (saved: unknown, id: number) => parsePublication(saved, id, network),
  };
  return registry(kind, files, clock);
}

/** Where droplets' entries are kept. */
export const dropletFiles = (state: string): Files<number> =>
  recordFiles(join(state, 'droplets'), (text) => (/^\d+$/.test(text) ? Number(text) : undefined));
