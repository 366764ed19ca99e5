/** Droplets made straight through Incus' API, as the baseline: the same image, body, metadata and neighbour entry. */
import { splitRange } from '../../src/cloud/addresses/index.ts';
import { hostEntry } from '../../src/cloud/droplets/host-entry.ts';
import { type DropletRow, dropletRow, instanceName } from '../../src/cloud/droplets/row.ts';
import { macOf } from '../../src/cloud/guest-ids.ts';
import { findSize } from '../../src/cloud/sizes/index.ts';
import { paths, readConfig } from '../../src/config.ts';
import { type IncusClient, incusClient } from '../../src/engine/compute/incus/client.ts';
import { engineName, instanceBody, urnKey } from '../../src/engine/compute/incus/spec.ts';
import { hostdHost } from '../../src/engine/node/hostd/host.ts';
import { openStore } from '../../src/store/open.ts';
import type { BenchAtoll } from './atoll.ts';
import { sshBanner } from './banner.ts';

export interface Direct {
  client: IncusClient;
  /** The name in Incus of the droplet that its machines are like. */
  pattern: string;
  /** The URL of machine number `index` (0 to 99). */
  url(index: number): string;
  /** The body to make it with, started unless it is made otherwise. */
  body(index: number): ReturnType<typeof instanceBody>;
  /** Its public address. */
  address(index: number): string;
  /** Gives hostd its metadata, as its first boot needs it. */
  announce(index: number): Promise<void>;
  /** Makes it; resolves when its sshd answers. */
  boot(index: number): Promise<void>;
  remove(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Far from what the database gives out. */
const firstId = 900_000_000;
/** No sweep that withdraws an entry without a droplet outdates it. */
const generation = Number.MAX_SAFE_INTEGER;

/**
 * A driver for the Incus of a real Atoll. Its machines are like the droplet `patternId`, which must run, but bear no
 * owner: Atoll does not look at them.
 */
export async function directDriver({ home }: BenchAtoll, patternId: number, image: string): Promise<Direct> {
  const config = readConfig(home);
  const client = incusClient({ socketPath: paths(home).incusSocket });
  const host = hostdHost({ socketPath: paths(home).hostdSocket });
  const store = openStore({ socketDir: paths(home).postgresSocket }, { name: 'bench' });
  const pattern = await dropletRow(store.db, patternId);
  await store.close();
  const size = pattern && findSize(pattern.size);
  if (!pattern || !size) throw new Error(`there is no droplet ${patternId}`);
  const patternName = engineName(config.id, instanceName(pattern));
  const made = await client.request<{ config: Record<string, string> }>(
    'GET',
    `/1.0/instances/${patternName}`,
  );
  const placement = {
    id: config.id,
    publicNetwork: `at${config.id}pub`,
    pool: 'main',
    dropSysResource: made.config['raw.lxc']?.includes('lxc.cap.drop = sys_resource') ?? false,
  };
  const outside = splitRange(config.publicNetwork.ipv4);
  const network = { ...config.publicNetwork, nameservers: [outside.gateway] };

  const rowOf = (index: number): DropletRow => ({
    ...pattern,
    id: firstId + index,
    name: `direct-${index}`,
    public_ipv4: lastOf(config.publicNetwork.ipv4, index),
    private_ipv4: lastOf(pattern.vpc_range, index),
  });

  function bodyOf(row: DropletRow) {
    const body = instanceBody(
      {
        urn: `do:droplet:${row.id}`,
        name: instanceName(row),
        source: { image },
        root: 1,
        volumes: [],
        vcpus: size?.vcpus ?? 1,
        memoryMib: size?.memory ?? 512,
        diskGib: size?.disk ?? 10,
        boot: 1,
        nics: [
          {
            network: 'public',
            mac: macOf(row.id, 0),
            ipv4: { address: row.public_ipv4, prefix: outside.prefix, gateway: outside.gateway },
          },
          {
            network: row.vpc_id,
            mac: macOf(row.id, 1),
            ipv4: { address: row.private_ipv4, prefix: splitRange(row.vpc_range).prefix },
          },
        ],
      },
      { source: { type: 'image', alias: image }, config: {} },
      placement,
    );
    const { [urnKey]: _, ...unowned } = body.config;
    return { ...body, config: unowned };
  }

  const url = (index: number) => `/1.0/instances/${engineName(config.id, instanceName(rowOf(index)))}`;
  const announce = (index: number) => host.publish(hostEntry(rowOf(index), network), generation);

  return {
    client,
    pattern: patternName,
    url,
    body: (index) => bodyOf(rowOf(index)),
    address: (index) => rowOf(index).public_ipv4,
    announce,
    async boot(index) {
      await announce(index);
      await client.request('POST', '/1.0/instances', { body: bodyOf(rowOf(index)) });
      await sshBanner(rowOf(index).public_ipv4);
    },
    async remove(index) {
      const stop = { action: 'stop', force: true, timeout: 60 };
      // One that does not run cannot be stopped.
      await client.request('PUT', `${url(index)}/state`, { body: stop }).catch(() => {});
      await client.request('DELETE', url(index));
      await host.withdraw(rowOf(index).id, generation);
    },
    async close() {
      await client.close();
      await host.close();
    },
  };
}

/** An address near the end of a range: number `index` from there. */
function lastOf(range: string, index: number): string {
  const { address, prefix } = splitRange(range);
  const bytes = address.split('.').map(Number);
  const last = (bytes.reduce((sum, byte) => sum * 256 + byte, 0) | (2 ** (32 - prefix) - 1)) >>> 0;
  const number = last - 1 - index;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}
