import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One entry of the machine's APT sources, in either notation of sources.list(5). */
export interface AptSource {
  types: string[];
  uris: string[];
  suites: string[];
  components: string[];
  /** A keyring's path or an embedded key, as it stands there. */
  signedBy?: string;
}

/** Where a machine gets Debian from. */
export interface DebianMirror {
  main: string;
  /** The archive of security updates, where the machine uses one. */
  security?: string;
  /** Whether the machine uses the `-updates` suite. */
  updates: boolean;
  signedBy?: string;
}

/** Parses the one-line notation (`*.list`). */
export function parseList(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*/, '').trim();
    const match = /^(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)(.*)$/.exec(line);
    if (!match) continue;
    const [, type = '', options = '', uri = '', suite = '', components = ''] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    sources.push({
      types: [type],
      uris: [uri],
      suites: [suite],
      components: words(components),
      ...(signedBy ? { signedBy } : {}),
    });
  }
  return sources;
}

/** Parses the deb822 notation (`*.sources`). */
export function parseDeb822(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const stanza of text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    let last = '';
    for (const line of stanza.split('\n')) {
      const match = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
      if (match) fields.set((last = (match[1] ?? '').toLowerCase()), match[2] ?? '');
      else if (/^\s/.test(line) && last) fields.set(last, `${fields.get(last)}\n${line}`);
    }
    if (!fields.has('uris') || /^(no|false|0|off)$/i.test(fields.get('enabled')?.trim() ?? '')) continue;
    const signedBy = fields.get('signed-by')?.trimEnd();
    sources.push({
      types: words(fields.get('types') ?? ''),
      uris: words(fields.get('uris') ?? ''),
      suites: words(fields.get('suites') ?? ''),
      components: words(fields.get('components') ?? ''),
      ...(signedBy ? { signedBy } : {}),
    });
  }
  return sources;
}

/** The APT sources of this machine, those of `sources.list` first. */
export function readAptSources(directory = '/etc/apt'): AptSource[] {
  const parts = join(directory, 'sources.list.d');
  const files = [join(directory, 'sources.list'), ...list(parts).map((name) => join(parts, name))];
  return files.flatMap((file) => {
    if (file.endsWith('.list')) return parseList(read(file));
    return file.endsWith('.sources') ? parseDeb822(read(file)) : [];
  });
}

/**
 * Picks the mirror that a Debian machine of this code name uses. Throws where the sources name none that can be
 * reached over HTTP.
 */
export function debianMirror(sources: AptSource[], codename: string, readFile = read): DebianMirror {
  const archives = sources
    .filter(({ types, components }) => types.includes('deb') && components.includes('main'))
    .flatMap((source) =>
      source.uris
        .flatMap((uri) => resolveUri(uri, readFile))
        .filter((uri) => /^https?:\/\//.test(uri))
        .map((uri) => ({ uri: uri.replace(/\/+$/, ''), ...source })),
    );
  const offering = (suffix: string) => {
    const suites = [codename, 'stable', 'oldstable'].map((name) => name + suffix);
    return archives.filter((archive) => archive.suites.some((suite) => suites.includes(suite)));
  };
  const withUpdates = new Set(offering('-updates').map(({ uri }) => uri));
  // Others name their suites after Debian's, too (`deb https://example.com/apt bookworm main`).
  const likeness = ({ uri, signedBy }: { uri: string; signedBy?: string }) =>
    (/^https?:\/\/([^/]+\.)?debian\.org\//.test(uri) ? 4 : 0) +
    (signedBy?.includes('debian-archive') ? 4 : 0) +
    (withUpdates.has(uri) ? 2 : 0) +
    (uri.endsWith('/debian') ? 1 : 0);
  const [main] = offering('').toSorted((a, b) => likeness(b) - likeness(a));
  if (!main)
    throw new Error(
      `No APT source with suite ${codename} and an http(s) URI: add Debian's archive to /etc/apt/sources.list`,
    );
  const [security] = offering('-security');
  return {
    main: main.uri,
    ...(security ? { security: security.uri } : {}),
    updates: withUpdates.has(main.uri),
    ...(main.signedBy ? { signedBy: main.signedBy } : {}),
  };
}

/** Debian's cloud images name their mirrors in a file: `mirror+file:/etc/apt/mirrors/debian.list`. */
function resolveUri(uri: string, readFile: (file: string) => string): string[] {
  const file = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
  if (!file) return [uri];
  return readFile(file)
    .split('\n')
    .map((line) => line.trim().split(/\s/)[0] ?? '')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}
