import type { MetadataAddress, MetadataDocument, MetadataInterface } from '../../engine/node/port.ts';

/** A value, or an index of more. */
type Entry = string | Map<string, Entry>;

/** What a path of the metadata service answers. */
export type Answer =
  | { status: 200; type: 'application/json' | 'text/plain'; body: string }
  | { status: 301; location: string }
  | { status: 404 };

const ROOT = '/metadata/v1/';

/**
 * What `path` (percent-encoded, without a query) answers for a droplet, after DigitalOcean's metadata reference: the
 * whole document at `/metadata/v1.json`, each value and each index under `/metadata/v1/`. An index is a list of
 * names, those of further indices with a slash; asked for without its slash it redirects there. Bodies end
 * without a newline, since DigitalOcean's go-metadata compares them as they are.
 */
export function answer(document: MetadataDocument, path: string): Answer {
  if (path === '/metadata/v1.json') {
    return { status: 200, type: 'application/json', body: JSON.stringify(document) };
  }
  if (!`${path}/`.startsWith(ROOT)) return { status: 404 };
  const index = path.endsWith('/');
  const names = path.slice(ROOT.length, index ? -1 : undefined);
  const entry = find(tree(document), names === '' ? [] : names.split('/'));
  if (entry === undefined || (index && typeof entry === 'string')) return { status: 404 };
  if (typeof entry === 'string') return { status: 200, type: 'text/plain', body: entry };
  return index
    ? { status: 200, type: 'text/plain', body: listing(entry) }
    : { status: 301, location: `${path}/` };
}

function find(root: Entry, names: string[]): Entry | undefined {
  let entry: Entry | undefined = root;
  for (const name of names) entry = entry instanceof Map ? entry.get(decoded(name)) : undefined;
  return entry;
}

/** A segment of a path, percent-decoded; what cannot be decoded names nothing. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

function listing(index: Map<string, Entry>): string {
  return [...index].map(([name, entry]) => (typeof entry === 'string' ? name : `${name}/`)).join('\n');
}

function tree(document: MetadataDocument): Entry {
  return indexOf({
    id: String(document.droplet_id),
    hostname: document.hostname,
    'user-data': document.user_data,
    'vendor-data': document.vendor_data,
    'public-keys': document.public_keys.join('\n'),
    'auth-token': document.auth_key,
    region: document.region,
    interfaces: indexOf({
      public: document.interfaces.public && numbered(document.interfaces.public),
      private: document.interfaces.private && numbered(document.interfaces.private),
    }),
    dns: indexOf({ nameservers: document.dns.nameservers.join('\n') }),
    floating_ip: reservedIp(document.floating_ip),
    reserved_ip: reservedIp(document.reserved_ip),
    tags: new Map(document.tags.map((tag) => [tag, tag])),
    features: new Map(Object.entries(document.features).map(([name, on]) => [name, String(on)])),
  });
}

function numbered(interfaces: MetadataInterface[]): Entry {
  return new Map(interfaces.map((entry, position) => [String(position), networkInterface(entry)]));
}

function networkInterface({ mac, type, ipv4, ipv6 }: MetadataInterface): Entry {
  return indexOf({
    mac,
    type,
    ipv4: ipv4 && indexOf({ address: ipv4.ip_address, netmask: ipv4.netmask, gateway: ipv4.gateway }),
    ipv6: ipv6 && indexOf({ address: ipv6.ip_address, cidr: String(ipv6.cidr), gateway: ipv6.gateway }),
  });
}

function reservedIp({ ipv4, ipv6 }: MetadataDocument['reserved_ip']): Entry {
  return indexOf({ ipv4: reservedAddress(ipv4), ipv6: ipv6 && reservedAddress(ipv6) });
}

const reservedAddress = ({ active, ip_address }: MetadataAddress): Entry =>
  indexOf({ active: String(active), ip_address });

/** An index of the members that are there. */
function indexOf(members: Record<string, Entry | undefined>): Map<string, Entry> {
  return new Map(
    Object.entries(members).filter((member): member is [string, Entry] => member[1] !== undefined),
  );
}
