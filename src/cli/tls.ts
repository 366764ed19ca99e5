import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Config, paths } from '../config.ts';
import { run } from '../setup/command.ts';
import type { User } from '../setup/user.ts';
import { usageError } from './command.ts';
import { isLoopback, isWildcard, ownAddresses } from './endpoint.ts';

type Tls = NonNullable<Config['tls']>;

const caDays = 3650;
/** Clients refuse server certificates of more than 398 days (CA/Browser Forum baseline requirements). */
const serverDays = 397;
const renewBeforeMs = 30 * 24 * 3600 * 1000;
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
/** Where distributions keep the certificates they trust: Debian, Fedora. */
const systemBundles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/** The names and addresses by which clients may call an Atoll that listens on `host`. */
export function certificateNames(host: string): string[] {
  const own = isWildcard(host) ? ownAddresses() : [host];
  return [...new Set([hostname(), 'localhost', '127.0.0.1', '::1', ...own])];
}

/** Whether a certificate is good for all the names, and for a while yet. */
function isGood(file: string, names: string[]): boolean {
  if (!existsSync(file)) return false;
  const certificate = new X509Certificate(readFileSync(file));
  const covered = names.every((name) =>
    isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name),
  );
  return covered && Date.parse(certificate.validTo) - Date.now() > renewBeforeMs;
}

/** Lets the control plane alone read a key. */
function giveKey(file: string, user: User | undefined): void {
  chmodSync(file, 0o400);
  if (user) chownSync(file, user.uid, user.gid);
}

const extensions = (...lines: string[]) => lines.flatMap((line) => ['-addext', line]);

/** Makes a new key and a certificate of it. */
async function makeCertificate(key: string, cert: string, ...options: string[]): Promise<void> {
  await run('openssl', ['req', '-x509', ...newKey, '-keyout', key, '-out', cert, ...options]);
}

/** A certificate of Atoll's own authority, which is made on first use under `<home>/tls`. */
async function ownCertificate(home: string, config: Config): Promise<Tls> {
  const directory = paths(home).tls;
  const file = (name: string) => join(directory, name);
  const tls = { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem') };

  if (!existsSync(tls.ca)) {
    const usage = extensions(
      'basicConstraints=critical,CA:TRUE,pathlen:0',
      'keyUsage=critical,keyCertSign,cRLSign',
    );
    const subject = ['-subj', `/CN=Atoll ${config.id} authority`, '-days', String(caDays)];
    await makeCertificate(file('ca.key'), tls.ca, ...subject, ...usage);
    chmodSync(file('ca.key'), 0o400);
  }
  const names = certificateNames(config.listen.host);
  if (!isGood(tls.cert, names)) {
    const alternatives = names.map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`).join(',');
    const usage = extensions(
      'basicConstraints=critical,CA:FALSE',
      'extendedKeyUsage=serverAuth',
      `subjectAltName=${alternatives}`,
    );
    const subject = ['-subj', '/CN=Atoll', '-days', String(serverDays)];
    const issuer = ['-CA', tls.ca, '-CAkey', file('ca.key')];
    rmSync(tls.key, { force: true });
    await makeCertificate(tls.key, tls.cert, ...issuer, ...subject, ...usage);
  }
  const system = systemBundles.find((bundle) => existsSync(bundle));
  const own = readFileSync(tls.ca, 'utf8');
  writeFileSync(bundleFile(home), system ? `${readFileSync(system, 'utf8')}\n${own}` : own);
  return tls;
}

/** The authorities that this system trusts, and Atoll's own: what SSL_CERT_FILE and its like name. */
export function bundleFile(home: string): string {
  return join(paths(home).tls, 'bundle.pem');
}

/** Takes over a given certificate and key, so that the control plane can read them. */
function givenCertificate(home: string, given: { cert: string; key: string }): Tls {
  const certificate = new X509Certificate(readFileSync(given.cert));
  if (Date.parse(certificate.validTo) < Date.now())
    throw usageError(`${given.cert} expired on ${certificate.validTo}`);
  const tls = { cert: join(paths(home).tls, 'given.pem'), key: join(paths(home).tls, 'given.key') };
  rmSync(tls.key, { force: true });
  copyFileSync(given.cert, tls.cert);
  copyFileSync(given.key, tls.key);
  return tls;
}

/**
 * The TLS that a configuration is to have: none on loopback unless a certificate is given; the given one, or one
 * of Atoll's own authority, elsewhere. Throws where openssl is needed and absent, or a file is unfit.
 */
export async function ensureTls(
  home: string,
  config: Config,
  options: { cert?: string | undefined; key?: string | undefined; user: User | undefined },
): Promise<Tls | undefined> {
  const { cert, key, user } = options;
  if ((cert === undefined) !== (key === undefined)) throw usageError('--tls-cert and --tls-key go together');
  const kept = config.tls && !config.tls.ca ? config.tls : undefined;
  if (!cert && (kept || isLoopback(config.listen.host))) return kept;
  mkdirSync(paths(home).tls, { recursive: true });
  const tls = cert && key ? givenCertificate(home, { cert, key }) : await ownCertificate(home, config);
  giveKey(tls.key, user);
  return tls;
}
