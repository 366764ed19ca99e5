/** Which addresses an image may be fetched from: the internet's, and what the operator allows besides. */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import { Unimportable } from './port.ts';

export interface AddressRules {
  /** CIDRs that the operator allows, whatever they are. */
  allowed: readonly string[];
  /** CIDRs of the cloud's own networks: never, even where they are public ones. */
  own: readonly string[];
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** An IPv4 address in IPv6 clothing is judged as what it is. */
const parse = (text: string): Address => ipaddr.process(text);

function within(address: Address, cidr: string): boolean {
  const range = ipaddr.parseCIDR(cidr);
  return address.kind() === range[0].kind() && address.match(range);
}

const ofThisHost = (text: string): boolean =>
  Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === text));

/**
 * Whether an image may be fetched from an address: a public one that is neither this host's nor in the cloud's own
 * networks (loopback, link-local, private and shared ranges, tunnels and documentation are none), or an allowed one.
 */
export function mayFetch(text: string, { allowed, own }: AddressRules): boolean {
  const address = parse(text);
  if (allowed.some((cidr) => within(address, cidr))) return true;
  if (own.some((cidr) => within(address, cidr))) return false;
  return address.range() === 'unicast' && !ofThisHost(address.toString());
}

/**
 * The addresses of a host that may be fetched from. The caller connects to one of these and asks no resolver again:
 * a name that answers differently the second time leads nowhere else.
 * @throws Unimportable where there is none
 */
export async function addressesOf(hostname: string, rules: AddressRules): Promise<LookupAddress[]> {
  const bare = hostname.replace(/^\[|\]$/g, '');
  const family = isIP(bare);
  const addresses = family ? [{ address: bare, family }] : await resolve(bare);
  const good = addresses.filter(({ address }) => mayFetch(address, rules));
  if (good.length === 0)
    throw new Unimportable(
      `${bare} is not on the internet: no image can be fetched from this host or from private networks, ` +
        'unless the operator allows it (./atoll up --allow-image-source CIDR).',
    );
  return good;
}

async function resolve(name: string): Promise<LookupAddress[]> {
  try {
    return await lookup(name, { all: true });
  } catch (error) {
    throw new Unimportable(`The name ${name} cannot be resolved.`, { cause: error });
  }
}
