import type { HostDroplet } from '../engine/node/port.ts';
import type { Droplets } from './droplets.ts';
import { errorText, log } from './log.ts';
import type { MetadataService } from './metadata/service.ts';
import { difference, type NeighbourTable, neighbours } from './neighbours.ts';
import { canonicalAddress, type PublicNetwork } from './network.ts';
import type { PacketFilter } from './packet-filter.ts';
import type { Reserved } from './reserved.ts';
import type { Volumes } from './volumes/volumes.ts';

/** Holds the droplets' entries in force and brings the host to them, and to all else that is published to it. */
export interface Agent {
  /** Loads the saved entries, and brings the host to them as far as that is possible now. */
  start(): Promise<void>;
  /**
   * Puts an entry in force. Throws Stale or InUse; any other error after which the entry is in force means that
   * the host is not like it yet, which doing it again, or `heal`, mends.
   */
  publish(entry: HostDroplet, generation: number): Promise<void>;
  /** Takes an entry out of force, in the same way. */
  withdraw(id: number, generation: number): Promise<void>;
  /** Compares the host with what is in force and repairs what differs. Reports to the log and never throws. */
  heal(): Promise<void>;
  /** What the last healing could not repair. */
  trouble(): string | undefined;
}

export function hostAgent(parts: {
  network: PublicNetwork;
  droplets: Droplets;
  reserved: Reserved;
  volumes: Volumes;
  packetFilter: PacketFilter;
  metadata: Pick<MetadataService, 'update' | 'check'>;
}): Agent {
  const { network, droplets, reserved, volumes, packetFilter, metadata } = parts;
  const entries = neighbours(network.bridge, () => table(droplets.all()));
  let trouble: string | undefined;

  async function heal(): Promise<void> {
    const found: string[] = [];
    const tasks = [
      () => packetFilter.heal(),
      async () => {
        const repaired = await entries.heal();
        if (repaired > 0) log('info', 'neighbour entries repaired', { entries: repaired });
      },
      () => reserved.heal(),
      () => volumes.heal(),
      () => metadata.check(),
      () => droplets.forget(),
    ];
    for (const task of tasks) {
      try {
        await task();
      } catch (error) {
        found.push(errorText(error));
      }
    }
    const current = found.join('; ') || undefined;
    if (current && current !== trouble) {
      log('error', 'the host is not as it should be; will try again', { error: current });
    } else if (trouble && !current) log('info', 'the host is as it should be again');
    trouble = current;
  }

  /** Hands on what differs between a droplet's two entries. */
  async function change(before: HostDroplet | undefined, after: HostDroplet | undefined): Promise<void> {
    const held = before ? [before] : [];
    const wanted = after ? [after] : [];
    const addresses = [...new Set([...held, ...wanted].map(({ ipv4 }) => ipv4))];
    await Promise.all([entries.change(difference(table(held), table(wanted))), metadata.update(addresses)]);
  }

  return {
    async start() {
      await droplets.load();
      await reserved.load();
      await volumes.start();
      await heal();
    },
    async publish(entry, generation) {
      await change(await droplets.publish(entry, generation), entry);
    },
    async withdraw(id, generation) {
      await change(await droplets.withdraw(id, generation), undefined);
    },
    heal,
    trouble: () => trouble,
  };
}

function table(droplets: HostDroplet[]): NeighbourTable {
  return new Map(
    droplets.flatMap(({ mac, ipv4, ipv6 }) => [
      [ipv4, mac] as const,
      ...(ipv6 ? [[canonicalAddress(ipv6), mac] as const] : []),
    ]),
  );
}
