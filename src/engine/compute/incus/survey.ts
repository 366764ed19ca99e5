/** What is in an Incus, for a control plane that takes it over; and whose it is. */
import { availableParallelism, hostname, totalmem } from 'node:os';
import { markText, parseMark } from '../../cloud-mark.ts';
import type { Compute, Surveyed } from '../port.ts';
import type { IncusContext } from './context.ts';
import { type IncusInstance, sizeOf, withoutReplacements } from './instances.ts';
import { bytesKey, cloudKey, portName, snapshotKey, urnKey, vpcKey } from './spec.ts';

interface Named {
  name: string;
  config: Record<string, string>;
}

interface PoolResources {
  space: { used: number; total: number };
}

export function surveys({
  client,
  placement,
}: IncusContext): Pick<Compute, 'survey' | 'capacity' | 'mark' | 'setMark'> {
  const poolPath = async () => `/1.0/storage-pools/${encodeURIComponent((await placement()).pool)}`;

  return {
    async survey() {
      const { publicNetwork } = await placement();
      const [instances, networks] = await Promise.all([
        client.request<IncusInstance[]>('GET', '/1.0/instances?recursion=1'),
        client.request<Named[]>('GET', '/1.0/networks?recursion=1'),
      ]);
      const networkOf = new Map(networks.map(({ name, config }) => [name, config[vpcKey]]));
      networkOf.set(publicNetwork, 'public');
      return withoutReplacements(instances).flatMap((instance): Surveyed[] => {
        const urn = instance.config[urnKey] ?? instance.config[snapshotKey];
        if (!urn) return [];
        // Incus says the year 1 where it does not know.
        const createdAt = new Date(instance.created_at ?? 0);
        return [
          {
            urn,
            name: portName(instance.name),
            bytes: Number(instance.config[bytesKey] ?? sizeOf(instance).diskGib * 2 ** 30),
            ...(createdAt.getTime() > 0 && { createdAt }),
            addresses: addressesOf(instance, networkOf),
          },
        ];
      });
    },
    /** The daemon answers at a unix socket: it is of this machine. */
    async capacity() {
      const { space } = await client.request<PoolResources>('GET', `${await poolPath()}/resources`);
      return {
        name: hostname(),
        cpus: availableParallelism(),
        memoryMib: Math.floor(totalmem() / 2 ** 20),
        pool: { bytes: space.total, freeBytes: Math.max(0, space.total - space.used) },
      };
    },
    async mark() {
      const pool = await client.find<Named>(await poolPath());
      return parseMark(pool?.config[cloudKey]);
    },
    async setMark(mark) {
      await client.request('PATCH', await poolPath(), { body: { config: { [cloudKey]: markText(mark) } } });
    },
  };
}

function addressesOf(
  { devices }: IncusInstance,
  networkOf: ReadonlyMap<string, string | undefined>,
): Surveyed['addresses'] {
  return Object.values(devices).flatMap((device) => {
    const network = device['type'] === 'nic' ? networkOf.get(device['network'] ?? '') : undefined;
    const ips = [device['ipv4.address'], device['ipv6.address']].filter((ip) => ip !== undefined);
    return network === undefined ? [] : ips.map((ip) => ({ network, ip }));
  });
}
