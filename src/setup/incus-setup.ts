import { setTimeout as delay } from 'node:timers/promises';
import ipaddr from 'ipaddr.js';
import { EngineError } from '../base/engine-error.ts';
import { poolName } from '../config.ts';
import { type IncusClient, incusClient } from '../engine/compute/incus/client.ts';
import { run } from './command.ts';
import { ensureLimits } from './pool-limits.ts';
import { poolQuotas } from './pool-quotas.ts';

/** What a step of the setup did. */
export interface Done {
  changed: boolean;
}

/**
 * Makes the storage pool where it is absent: btrfs on a sparse file, so that instances are snapshots of an image
 * and quotas work whatever file system the host has. `sizeGib` is its upper limit; an existing pool keeps its own.
 */
export async function ensurePool(
  { socket, sizeGib }: { socket: string; sizeGib: number },
  log: (line: string) => void,
): Promise<Done> {
  return withIncus(socket, async (incus) => {
    if (await incus.find(`/1.0/storage-pools/${poolName}`)) return { changed: false };
    await incus.request('POST', '/1.0/storage-pools', {
      body: { name: poolName, driver: 'btrfs', config: { size: `${sizeGib}GiB` } },
    });
    log(`storage pool ${poolName}: btrfs, at most ${sizeGib} GiB`);
    return { changed: true };
  });
}

/**
 * Sees to it that the limits of disks hold in the pool that is mounted at `directory`, see `ensureLimits`. Answers in words
 * how it counts.
 */
export async function ensurePoolLimits(
  { socket, directory }: { socket: string; directory: string },
  log: (line: string) => void,
): Promise<string> {
  const quotas = poolQuotas({ directory, run: async (file, args) => (await run(file, args)).stdout });
  const { state } = await withIncus(socket, (incus) => ensureLimits({ incus, quotas }, log));
  return state.mode === 'squota' ? 'simple quotas' : 'quota groups';
}

/**
 * Makes the bridge of the public network where it is absent, or corrects it: the host is the gateway, translates
 * to its own address, and resolves names for the droplets as it does for itself. Addresses are set by the engine
 * before a droplet boots, so there is no DHCP and no router advertisement. `ipv4` and `ipv6` are the ranges, as in
 * `PublicNetwork`.
 */
export async function ensurePublicNetwork(
  { socket, name, ipv4, ipv6 }: { socket: string; name: string; ipv4: string; ipv6: string },
  log: (line: string) => void,
): Promise<Done> {
  const config = {
    'ipv4.address': gateway(ipv4),
    'ipv4.nat': 'true',
    'ipv4.dhcp': 'false',
    'ipv6.address': gateway(ipv6),
    'ipv6.nat': 'true',
    'ipv6.dhcp': 'false',
    'raw.dnsmasq': withoutAdvertisements(name),
  };
  return withIncus(socket, async (incus) => {
    const present = await incus.find<{ config: Record<string, string> }>(`/1.0/networks/${name}`);
    if (!present) {
      await whileBusy(() =>
        incus.request('POST', '/1.0/networks', { body: { name, type: 'bridge', config } }),
      );
      log(`network ${name}: ${config['ipv4.address']} ${config['ipv6.address']}`);
      return { changed: true };
    }
    // A change restarts the bridge: only when there is one.
    if (Object.entries(config).every(([key, value]) => present.config[key] === value))
      return { changed: false };
    await incus.request('PATCH', `/1.0/networks/${name}`, { body: { config } });
    log(`network ${name} corrected: ${config['ipv4.address']} ${config['ipv6.address']}`);
    return { changed: true };
  });
}

/**
 * Incus has its name server advertise every bridge with an IPv6 address as a router, also without DHCP. A droplet that
 * hears it before its own system forbids that takes a second address and prefers it as a source; the anti-spoofing
 * filter drops what it sends from there, so it has no IPv6 until its next boot. No image can forbid it early enough:
 * so nothing is advertised at all (dnsmasq(8), --no-dhcp-interface; names are resolved all the same).
 */
const withoutAdvertisements = (bridge: string): string => `no-dhcp-interface=${bridge}`;

/** How often, and with what pause in ms, something that Incus is too busy for is tried. */
const busy = { tries: 10, pauseMs: 200 };

/**
 * Tries again while Incus is busy: it cannot make a bridge in the moment in which any container of the machine
 * starts or stops.
 */
async function whileBusy<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'busy' || attempt === busy.tries) throw error;
      await delay(busy.pauseMs);
    }
  }
}

/**
 * Removes the bridges of VPCs that Incus does not know: an incusd that was killed while it made one leaves it, and
 * could not make it again. Answers their names.
 */
export async function removeStrayBridges({ socket, id }: { socket: string; id: string }): Promise<string[]> {
  const networks = await withIncus(socket, (incus) =>
    incus.request<{ name: string; managed: boolean }[]>('GET', '/1.0/networks?recursion=1'),
  );
  const stray = networks.flatMap(({ name, managed }) =>
    !managed && name.startsWith(`at${id}v`) ? [name] : [],
  );
  for (const name of stray) await run('ip', ['link', 'del', name]);
  return stray;
}

/** The first address of a range, with its prefix length: `10.77.0.1/16`. */
export function gateway(cidr: string): string {
  const [network, bits] = ipaddr.parseCIDR(cidr);
  const bytes = network.toByteArray();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1;
  return `${ipaddr.fromByteArray(bytes).toString()}/${bits}`;
}

/** Runs `work` with a client of the Incus at this socket. */
export async function withIncus<T>(socket: string, work: (incus: IncusClient) => Promise<T>): Promise<T> {
  const incus = incusClient({ socketPath: socket });
  try {
    return await work(incus);
  } finally {
    await incus.close();
  }
}
