import { expect, test } from 'vitest';
import { chainsOf } from './remove-by-path.ts';

/** A rule as `nft -j` writes it. */
function rule(chain: string, iifname: string) {
  return { rule: { chain, expr: [{ match: { op: '==', left: { meta: 'iifname' }, right: iifname } }] } };
}

test('finds the chains of our networks, of their interfaces, and of our instances that are gone', () => {
  const objects = [
    { chain: { name: 'fwd.at12abpub' } },
    rule('fwd.at12abpub', 'at12abpub'),
    { chain: { name: 'fwd.at34cdpub' } },
    rule('fwd.at34cdpub', 'at34cdpub'),
    { chain: { name: 'in.web.eth0' } },
    rule('in.web.eth0', 'vethours'),
    { chain: { name: 'in.other.eth0' } },
    rule('in.other.eth0', 'vethother'),
    { chain: { name: 'in.at12ab-droplet-5.eth0' } },
    rule('in.at12ab-droplet-5.eth0', 'vethgone'),
    { chain: { name: 'fwd.at12abn-droplet-5.eth1' } },
    { chain: { name: 'in.at34cd-droplet-5.eth0' } },
    rule('in.at34cd-droplet-5.eth0', 'vethgone'),
  ];
  expect(chainsOf(objects, { prefix: 'at12ab', ports: ['vethours', 'vethmore'] })).toEqual([
    'fwd.at12abpub',
    'in.web.eth0',
    'in.at12ab-droplet-5.eth0',
    'fwd.at12abn-droplet-5.eth1',
  ]);
});
