import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { paths } from '../config.ts';
import type { DiskAddition } from '../engine/compute/port.ts';
import { run } from './command.ts';

/**
 * What makes a Debian system trust this home's own authority without running anything in it: what update-ca-certificates(8)
 * would have made there. None where the home has no authority.
 */
export async function trustFiles(home: string): Promise<DiskAddition[]> {
  const file = join(paths(home).tls, 'ca.pem');
  if (!existsSync(file)) return [];
  const certificate = readFileSync(file, 'utf8');
  const { stdout } = await run('openssl', ['x509', '-in', file, '-noout', '-hash']);
  const source = '/usr/local/share/ca-certificates/atoll.crt';
  return [
    { path: source, content: certificate },
    { path: '/etc/ssl/certs/atoll.pem', link: source },
    // By the hash of its subject OpenSSL finds it (x509(1), `-hash`).
    { path: `/etc/ssl/certs/${stdout.trim()}.0`, link: 'atoll.pem' },
    { path: '/etc/ssl/certs/ca-certificates.crt', append: certificate },
  ];
}
