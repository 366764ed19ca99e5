import { readFileSync } from 'node:fs';

export interface OsRelease {
  /** `debian` */
  id: string;
  /** `12`; empty for testing and unstable. */
  version: string;
  /** `bookworm` */
  codename: string;
  /** `Debian GNU/Linux 12 (bookworm)` */
  name: string;
}

/** Parses os-release(5). */
export function parseOsRelease(text: string): OsRelease {
  const field = (name: string) =>
    new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]?.replace(/^(["'])(.*)\1$/, '$2') ?? '';
  return {
    id: field('ID'),
    version: field('VERSION_ID'),
    codename: field('VERSION_CODENAME'),
    name: field('PRETTY_NAME'),
  };
}

/** What operating system this machine runs. */
export function osRelease(): OsRelease {
  return parseOsRelease(readFileSync('/etc/os-release', 'utf8'));
}
