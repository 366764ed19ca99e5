import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { digest } from '../engine/host/digest.ts';
import type { Agent } from './agent.ts';
import { errorText, log } from './log.ts';
import type { PublicNetwork } from './network.ts';
import { InUse, type Registry, Stale } from './registry.ts';
import { InvalidEntry, parsePublication } from './validate.ts';

/** A droplet with 64 KiB of user data and a thousand keys fits many times over. */
const BODY_LIMIT = 4 * 1024 * 1024;
const MAX_CONNECTIONS = 128;

export interface ProtocolParts {
  agent: Agent;
  droplets: Registry;
  network: PublicNetwork;
  metadataListens: () => boolean;
}

/** A refusal with the status it is answered with. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * What the control plane may ask of a host, as HTTP/1.1 and JSON; the whole of it:
 * - `PUT /droplets/{id}` with `{generation, entry}`, `DELETE /droplets/{id}?generation=N`: 409 where the
 *   generation is stale, 400 where it is no entry, 423 where an address of it is another droplet's still, 500
 *   where it could not be saved, or the host could not be made like it.
 * - `GET /droplets`: `{ids}` of the droplets in force; `GET /droplets/{id}`: `{digest}` of its entry, or 404.
 * - `GET /healthz`: `{droplets, metadata, trouble}`: how many, whether the metadata service listens, and what
 *   could not be repaired.
 * Errors are `{error}`. Who may connect is decided by the socket's permissions; what they send is checked.
 */
export function protocolServer({ agent, droplets, network, metadataListens }: ProtocolParts): Server {
  async function handle(request: IncomingMessage): Promise<object> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://hostd');
    const id = Number(/^\/droplets\/([1-9][0-9]{0,15})$/.exec(pathname)?.[1]);
    switch (`${request.method} ${id ? '/droplets/{id}' : pathname}`) {
      case 'PUT /droplets/{id}': {
        const { entry, generation } = parsePublication(await readJson(request), id, network);
        await agent.publish(entry, generation);
        return {};
      }
      case 'DELETE /droplets/{id}':
        await agent.withdraw(id, generationOf(searchParams));
        return {};
      case 'GET /droplets/{id}': {
        const entry = droplets.get(id);
        if (!entry) throw new Refusal(404, 'no such droplet');
        return { digest: digest(entry) };
      }
      case 'GET /droplets':
        return { ids: droplets.all().map((entry) => entry.id) };
      case 'GET /healthz':
        return { droplets: droplets.all().length, metadata: metadataListens(), trouble: agent.trouble() };
      default:
        throw new Refusal(404, 'no such operation');
    }
  }

  // The control plane lets go of idle connections first, so that it never writes to one that is being closed.
  const server = createServer({ requestTimeout: 30_000, keepAliveTimeout: 60_000 }, (request, response) => {
    handle(request).then(
      (body) => send(response, 200, body),
      (error: unknown) => {
        const status = statusOf(error);
        if (status >= 500) log('error', 'a request failed', { route: request.url, error: errorText(error) });
        // With a body that is left unread the connection cannot be used again.
        if (!request.complete) response.setHeader('Connection', 'close');
        send(response, status, { error: errorText(error) });
      },
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  if (error instanceof InvalidEntry) return 400;
  if (error instanceof Stale) return 409;
  if (error instanceof InUse) return 423;
  return 500;
}

function generationOf(query: URLSearchParams): number {
  const text = query.get('generation') ?? '';
  if (!/^[0-9]{1,15}$/.test(text)) throw new Refusal(400, 'generation: is not a whole number');
  return Number(text);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refusal(413, `the body is over ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
    .end(text);
}
