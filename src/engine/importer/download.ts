/** Fetches a file from an address that a stranger gave. */
import { createWriteStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type AddressRules, addressesOf } from './address.ts';
import { Unimportable } from './port.ts';

export interface DownloadOptions {
  rules: AddressRules;
  maxBytes: number;
  /** How long nothing may come, ms. */
  idleMs: number;
  /** Ends it: for the time that the whole may take, and for a shutdown. */
  signal: AbortSignal;
  /** Told of what has come, in bytes, and of how much that will be where the source says so. */
  onProgress?: (seen: number, total: number | undefined) => void;
}

const mostRedirects = 5;
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * Downloads `url` into `file`, which must not be there yet. Redirects are followed here and not by a library, so
 * that every address on the way is checked.
 * @throws Unimportable saying what the source did wrong; the reason of `signal` where that ends it
 */
export async function download(url: string, file: string, options: DownloadOptions): Promise<void> {
  let next = new URL(url);
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const response = await ask(next, options);
    const status = response.statusCode ?? 0;
    if (redirects.has(status) && response.headers.location !== undefined) {
      response.destroy();
      next = redirected(next, response.headers.location);
      continue;
    }
    if (status !== 200) {
      response.destroy();
      throw new Unimportable(`${next.host} answered ${status} instead of the image.`);
    }
    return save(response, next, file, options);
  }
  throw new Unimportable(`${next.host} redirects more than ${mostRedirects} times.`);
}

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || !['http:', 'https:'].includes(to.protocol))
    throw new Unimportable(`${from.host} redirects to what is no address of an image.`);
  return to;
}

async function ask(url: URL, { rules, idleMs, signal }: DownloadOptions): Promise<IncomingMessage> {
  const addresses = await addressesOf(url.hostname, rules);
  const pinned: LookupFunction = (_hostname, { all }, callback) => {
    const [first] = addresses;
    if (all) callback(null, addresses);
    else callback(null, first?.address ?? '', first?.family);
  };
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // A connection of its own: none that was made for another name is used again.
    const request = send(url, { lookup: pinned, agent: false, signal, timeout: idleMs });
    request.setHeader('user-agent', 'atoll-image-import');
    request.once('response', resolve);
    request.once('timeout', () => request.destroy(silent(url, idleMs)));
    request.once('error', (error) => reject(explained(error, url, signal)));
    request.end();
  });
}

async function save(
  response: IncomingMessage,
  url: URL,
  file: string,
  options: DownloadOptions,
): Promise<void> {
  const { maxBytes, idleMs, signal } = options;
  const tooLarge = () =>
    new Unimportable(
      `The image is larger than ${Math.floor(maxBytes / 1024 ** 2)} MiB, the most that is taken.`,
    );
  const total = Number(response.headers['content-length']) || undefined;
  if (total !== undefined && total > maxBytes) {
    response.destroy();
    throw tooLarge();
  }
  let seen = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      if (seen > maxBytes) done(tooLarge());
      else {
        options.onProgress?.(seen, total);
        done(null, chunk);
      }
    },
  });
  response.setTimeout(idleMs, () => response.destroy(silent(url, idleMs)));
  try {
    await pipeline(response, counted, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal });
  } catch (error) {
    throw explained(error, url, signal);
  }
  if (seen === 0) throw new Unimportable('The image is empty.');
}

const silent = (url: URL, idleMs: number): Unimportable =>
  new Unimportable(`${url.host} sent nothing for ${Math.round(idleMs / 1000)} seconds.`);

/** Network errors are the source's: an image that cannot be fetched is reported, not tried for ever. */
function explained(error: unknown, url: URL, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason instanceof Error ? signal.reason : new Error('aborted');
  if (error instanceof Unimportable) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  // Of our own disk, not of the source.
  if (code === 'ENOSPC' || code === 'EACCES' || code === 'EEXIST') return error as Error;
  return new Unimportable(`${url.host} cannot be read from: ${code ?? message}.`, { cause: error });
}
