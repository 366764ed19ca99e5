import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { HostDroplet } from '../../engine/node/port.ts';
import { answer } from './tree.ts';

/** Connections a droplet may hold open at once, and all of them together. */
const MAX_PER_SOURCE = 20;
const MAX_CONNECTIONS = 4096;

/** What it knows of a droplet. */
type Asking = Required<Pick<HostDroplet, 'metadata'>>;

/**
 * The metadata service. Who asks is known by the source address of the connection alone (droplets cannot forge
 * theirs); no header counts. Each droplet learns about itself, everybody else gets an empty 404.
 */
export function metadataServer(dropletAt: (ipv4: string) => Asking | undefined): Server {
  const server = createServer(
    {
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 8 * 1024,
    },
    (request, response) => respond(request, response, dropletAt(source(request.socket))),
  );
  server.timeout = 15_000;
  server.maxRequestsPerSocket = 100;
  server.maxConnections = MAX_CONNECTIONS;
  limitPerSource(server);
  return server;
}

function respond(request: IncomingMessage, response: ServerResponse, droplet: Asking | undefined): void {
  if (!droplet) {
    response.writeHead(404, { 'Content-Length': 0 }).end();
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    // Whatever body there is stays unread, so the connection cannot be used again.
    response.writeHead(405, { Allow: 'GET, HEAD', Connection: 'close' }).end();
    return;
  }
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const found = answer(droplet.metadata, path);
  if (found.status === 200) {
    response
      .writeHead(200, {
        'Content-Type': found.type === 'text/plain' ? 'text/plain; charset=utf-8' : found.type,
        'Content-Length': Buffer.byteLength(found.body),
      })
      .end(found.body);
  } else if (found.status === 301) {
    response
      .writeHead(301, { Location: found.location, 'Content-Type': 'text/plain' })
      .end('301 Moved Permanently');
  } else {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404 Not Found');
  }
}

function limitPerSource(server: Server): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = source(socket);
    const count = open.get(address) ?? 0;
    if (count >= MAX_PER_SOURCE) {
      socket.destroy();
      return;
    }
    open.set(address, count + 1);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });
}

/** The peer's IPv4 address, also where a dual-stack socket shows it mapped into IPv6. */
function source(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/i, '');
}
