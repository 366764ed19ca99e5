import type { CloudContext } from '../../src/cloud/context.ts';

/** What surrounds droplets in tests over the simulated world. */
export const simulatedContext: CloudContext = {
  network: { ipv4: '198.18.0.0/15', ipv6: 'fd00:a701::/64', nameservers: ['67.207.67.2'] },
  reservedNetwork: { ipv4: '203.0.113.0/24', ipv6: 'fd00:a702::/64' },
  imageHost: { mode: 'simulated', aliases: {}, available: [] },
  hostMemoryMib: undefined,
};
