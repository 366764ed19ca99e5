import { expect, it } from 'vitest';
import { natMaps } from './nat-maps.ts';
import { publicNetwork } from './network.ts';
import { ruleset } from './ruleset.ts';

const base = { id: 'ab12', publicNetwork: { ipv4: '10.90.0.0/16', ipv6: 'fd90::/64' }, metadataPort: 8169 };
const reservedNetwork = { ipv4: '10.89.0.0/24', ipv6: 'fd89::/64' };
const maps = natMaps([{ ip: '10.89.0.5', target: '10.90.0.7' }]);

it('knows nothing of reserved addresses where there are none', () => {
  expect(ruleset(publicNetwork(base), maps)).not.toMatch(/reserved|egress/);
});

it('shows droplets outside with a reserved address only where answers to it come back', () => {
  const text = (routed: boolean) =>
    ruleset(publicNetwork({ ...base, reservedNetwork: { ...reservedNetwork, routed } }), maps);
  expect(text(true)).toContain('snat ip to ip saddr map @egress4');
  expect(text(false)).not.toContain('snat ip to ip saddr map');
  expect(text(false)).toContain('10.89.0.5 : 10.90.0.7');
});

it('lets no router advertisement of the host out to a droplet, with and without reserved addresses', () => {
  for (const config of [base, { ...base, reservedNetwork }])
    expect(ruleset(publicNetwork(config), maps)).toMatch(
      /hook output[^}]*oifname "atab12\*" icmpv6 type nd-router-advert drop/,
    );
});
