import { expect, it } from 'vitest';
import { flowsIn } from './conntrack.ts';

it('reads both ways of a connection', () => {
  const listing = `tcp      6 431999 ESTABLISHED src=10.88.0.2 dst=10.89.0.5 sport=40000 dport=80 src=10.90.0.101 dst=10.88.0.2 sport=80 dport=40000 [ASSURED] mark=0 use=1
icmpv6   58 29 src=fd88:0::2 dst=fd89::5 type=128 code=0 id=1 src=fd90::101 dst=fd88::2 type=129 code=0 id=1 mark=0 use=1
conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.
`;
  expect(flowsIn(listing)).toEqual([
    {
      original: { from: '10.88.0.2', to: '10.89.0.5' },
      answer: { from: '10.90.0.101', to: '10.88.0.2' },
    },
    { original: { from: 'fd88::2', to: 'fd89::5' }, answer: { from: 'fd90::101', to: 'fd88::2' } },
  ]);
});
