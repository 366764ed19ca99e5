/** Where clients see this server: scheme, host and port. */
import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { ApiError } from './errors.ts';

/**
 * The origin by which a client asks: links in answers begin with it. It is the Host header's word, so it is good for
 * showing the client its own address, and decides nothing.
 * @throws ApiError 400 where no link can be made of it
 */
export function originOf({ protocol, host }: FastifyRequest): string {
  if (!/^[\w.:[\]-]+$/.test(host)) throw new ApiError('bad_request', 'The Host header is not valid.');
  return `${protocol}://${host}`;
}

/**
 * Whether pages of this origin (an Origin header) come from this very server, as the client sees it. What a request
 * says of itself does not suffice (Host, X-Forwarded-*): the port must be the one that was connected to, and the host
 * its address, `localhost` where that is loopback, or a name in the certificate.
 */
export function isOwnOrigin(origin: string, { protocol, host, raw }: FastifyRequest): boolean {
  if (origin !== `${protocol}://${host}`) return false;
  const url = URL.parse(origin);
  if (!url) return false;
  const { localPort } = raw.socket;
  if (Number(url.port || (protocol === 'https' ? 443 : 80)) !== localPort) return false;
  return isOwnHost(url.hostname.replace(/^\[|\]$/g, ''), raw.socket);
}

function isOwnHost(hostname: string, socket: Socket): boolean {
  const address = socket.localAddress?.replace(/^::ffff:(?=\d+\.)/, '');
  if (address === undefined) return false;
  if (isIP(hostname)) return hostname === address;
  if (hostname === 'localhost') return address === '::1' || address.startsWith('127.');
  // Plain HTTP proves no name.
  const certificate = (socket as Partial<TLSSocket>).getX509Certificate?.();
  return certificate?.checkHost(hostname) !== undefined;
}
