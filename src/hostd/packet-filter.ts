import type { HostAddress } from '../engine/node/port.ts';
import { run } from './exec.ts';
import { log } from './log.ts';
import { keyedMutex } from './mutex.ts';
import { mapChanges, type NatMaps, natMaps, parseListing } from './nat-maps.ts';
import type { PublicNetwork } from './network.ts';
import { ruleset } from './ruleset.ts';

/** The nft table of an Atoll, with its maps of reserved addresses. */
export interface PacketFilter {
  /** Changes the maps to the reserved addresses in force, in one transaction and without touching the rest. */
  change(): Promise<void>;
  /** Loads what is absent or not as it was loaded; answers whether it had to. */
  heal(): Promise<boolean>;
  /** Deletes the table; one that is gone already is fine. */
  remove(): Promise<void>;
}

/** The packet filter between the droplets and this host; `addresses` tells all reserved addresses in force. */
export function packetFilter(network: PublicNetwork, addresses: () => HostAddress[]): PacketFilter {
  const exclusive = keyedMutex();
  /** What the kernel is known to hold: the table as nft lists it, and its maps. */
  let held: { table: string; maps: NatMaps } | undefined;

  const nft = (input: string) => run('nft', ['-f', '-'], { input });
  const list = async () => parseListing(await run('nft', ['-j', 'list', 'table', 'inet', network.table]));

  async function load(): Promise<void> {
    held = undefined;
    await nft(ruleset(network, natMaps(addresses())));
    held = await list();
  }

  async function changeMaps(): Promise<boolean> {
    if (!held) throw new Error('the nft table is not loaded');
    const wanted = natMaps(addresses());
    const changes = mapChanges(network.table, held.maps, wanted);
    if (changes.length === 0) return false;
    await nft(`${changes.join('\n')}\n`);
    held.maps = wanted;
    return true;
  }

  return {
    change: () =>
      exclusive('nft', async () => {
        // The changes are relative to what we loaded. Where nft refuses them, somebody else has changed the table: all of it
        // is loaded anew.
        await changeMaps().catch(load);
      }),
    heal: () =>
      exclusive('nft', async () => {
        const wanted = held?.table;
        const found = wanted === undefined ? undefined : await list().catch(() => undefined);
        if (found === undefined || found.table !== wanted) {
          if (wanted !== undefined)
            log('warn', 'the nft table was changed by somebody else; it is loaded again', {
              table: network.table,
            });
          await load();
          return true;
        }
        held = found;
        return changeMaps();
      }),
    remove: () =>
      exclusive('nft', async () => {
        // Declared first, so that deleting it works whether it was there or not.
        await nft(`table inet ${network.table}\ndelete table inet ${network.table}\n`);
        held = undefined;
      }),
  };
}
