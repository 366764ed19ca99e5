import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Config, paths, readConfig } from '../config.ts';
import { type Reply, request } from './request.ts';

/** Whether only this machine can reach an address that is listened on. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** The addresses of this machine that others may reach. */
export function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all
    .filter((each) => !each.internal && !each.address.startsWith('fe80:'))
    .map((each) => each.address);
}

const bracketed = (host: string) => (isIP(host) === 6 ? `[${host}]` : host);

/** The first name in a certificate that is no wildcard. */
function certificateName(certificate: X509Certificate): string | undefined {
  const names = (certificate.subjectAltName ?? '').split(', ').map((entry) => /^DNS:(.+)$/.exec(entry)?.[1]);
  return names.find((name) => name && !name.includes('*'));
}

/** The URL that clients use: by a given certificate's name, else by the address that is listened on. */
export function publicUrl(config: Config): string {
  const { host, port } = config.listen;
  if (!config.tls) return `http://${bracketed(isWildcard(host) ? '127.0.0.1' : host)}:${port}`;
  const given = !config.tls.ca && certificateName(new X509Certificate(readFileSync(config.tls.cert)));
  const reachable = isWildcard(host) ? (ownAddresses()[0] ?? '127.0.0.1') : host;
  return `https://${given || bracketed(reachable)}:${port}`;
}

/**
 * Whether the control plane says that it is well. It is asked at the address it listens on; whose certificate it
 * shows does not matter there.
 */
export async function isHealthy(config: Config): Promise<boolean> {
  const { host, port } = config.listen;
  const local = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  try {
    const url = `${config.tls ? 'https' : 'http'}://${bracketed(local)}:${port}/healthz`;
    return (await request(url, { anyCertificate: true, timeoutMs: 5000 })).status === 200;
  } catch {
    return false;
  }
}

/** The public API of this home, as its own token may use it. */
export interface Api {
  url: string;
  call(method: string, path: string, body?: unknown): Promise<Reply>;
}

/** Throws where there is no Atoll, or no token, at this home. */
export function openApi(home: string): Api {
  const config = readConfig(home);
  const url = publicUrl(config);
  const token = readToken(home);
  const ca = config.tls?.ca && readFileSync(config.tls.ca, 'utf8');
  return { url, call: (method, path, body) => request(url + path, { method, token, body, ca }) };
}

/** The token that the first `up` made. Throws with the remedy where it cannot be read. */
export function readToken(home: string): string {
  const file = paths(home).token;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new Error(`${file} cannot be read: run this as the user that ran ./atoll up, or run that again.`, {
      cause,
    });
  }
}
