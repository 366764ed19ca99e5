import { sleep } from '../../../base/clock.ts';
import { EngineError } from '../../../base/engine-error.ts';
import type { IncusContext } from './context.ts';
import { isNotFound, says } from './errors.ts';
import { vpcKey, vpcNetworkName } from './spec.ts';

interface IncusNetwork {
  name: string;
  status: string;
  /** False for an interface of the host that Incus only sees. */
  managed: boolean;
  config: Record<string, string>;
}

/** How long another one's creation of a network is waited for, in ms: it takes 50. */
const creationTimeoutMs = 5_000;

/** The networks of VPCs: bridges without address, so without dnsmasq, route and reach of another VPC. */
export function vpcNetworks({ client, id, clock }: IncusContext) {
  const path = (vpcId: string) => `/1.0/networks/${vpcNetworkName(id, vpcId)}`;

  async function remove(vpcId: string): Promise<void> {
    try {
      await client.request('DELETE', path(vpcId));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** The network is there; waits until it can be used. */
  async function settle(vpcId: string): Promise<void> {
    const until = clock.now().getTime() + creationTimeoutMs;
    for (;;) {
      const network = await client.find<IncusNetwork>(path(vpcId));
      if (!network) throw new EngineError('busy', `incus: the network of VPC ${vpcId} has just gone`);
      // A daemon that died between the making of the bridge and its record leaves it. Only root can remove it.
      if (!network.managed)
        throw new EngineError(
          'failed',
          `incus: bridge ${network.name} is left over: ip link del ${network.name}`,
        );
      if (network.config[vpcKey] !== vpcId)
        throw new EngineError(
          'rejected',
          `incus: network ${network.name} belongs to ${network.config[vpcKey]}`,
        );
      if (network.status === 'Created') return;
      if (clock.now().getTime() >= until) break;
      await sleep(clock, 100);
    }
    // The daemon died while it made the network; it will not finish it.
    await remove(vpcId);
    throw new EngineError('busy', `incus: the network of VPC ${vpcId} was half-made and has been removed`);
  }

  return {
    async ensureNetwork(vpcId: string): Promise<void> {
      const config = { 'ipv4.address': 'none', 'ipv6.address': 'none', [vpcKey]: vpcId };
      const body = { name: vpcNetworkName(id, vpcId), type: 'bridge', config };
      try {
        await client.request('POST', '/1.0/networks', { body });
      } catch (error) {
        if (!says(error, /already exists/i)) throw error;
        await settle(vpcId);
      }
    },
    async networks(): Promise<string[]> {
      const all = await client.request<IncusNetwork[]>('GET', '/1.0/networks?recursion=1');
      return all.flatMap(({ name, config }) => {
        const vpcId = config[vpcKey];
        return vpcId && name === vpcNetworkName(id, vpcId) ? [vpcId] : [];
      });
    },
    deleteNetwork: remove,
  };
}
