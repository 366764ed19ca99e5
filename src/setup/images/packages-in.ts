/** An installed package of a dpkg status file. */
export interface Installed {
  name: string;
  version: string;
}

/** The packages that a dpkg status file (`/var/lib/dpkg/status`) says are installed, by name. */
export function installedIn(status: string): Installed[] {
  const field = (stanza: string, name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
  return status
    .split(/\n\n+/)
    .filter((stanza) => field(stanza, 'Status').endsWith(' installed'))
    .map((stanza) => ({ name: field(stanza, 'Package'), version: field(stanza, 'Version') }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
