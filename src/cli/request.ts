import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Reply {
  status: number;
  /** The parsed body; undefined where it is empty or no JSON. */
  body: unknown;
}

export interface RequestOptions {
  method?: string;
  token?: string;
  /** Sent as JSON. */
  body?: unknown;
  /** PEM of the authority to trust instead of the usual ones. */
  ca?: string | undefined;
  /** Do not check whose certificate it is. */
  anyCertificate?: boolean;
  timeoutMs?: number;
  /** A unix socket to ask instead of the URL's host. */
  socketPath?: string;
}

/** One HTTP request, answered whole. Throws where there is no answer, not for a status that tells of an error. */
export async function request(url: string, options: RequestOptions = {}): Promise<Reply> {
  const { method = 'GET', token, body, ca, anyCertificate, socketPath, timeoutMs = 30_000 } = options;
  const payload = body === undefined ? undefined : JSON.stringify(body);
  return await new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const outgoing = send(url, {
      method,
      ...(socketPath && { socketPath }),
      ca,
      rejectUnauthorized: !anyCertificate,
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(payload && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      },
    });
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.once('error', reject);
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, body: parse(text) }));
    });
    outgoing.end(payload);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
