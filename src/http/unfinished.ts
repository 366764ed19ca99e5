import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/**
 * Ends connections on which a request is still arriving `drainMs` after the server began to close. Node looks after its
 * limits of time no longer then: half a request, with no token, would keep the server from closing for ever.
 * @param tls of a handshake, which has a limit of its own, nothing is known
 */
export function endUnfinished(
  app: FastifyInstance,
  { tls, drainMs }: { tls: boolean; drainMs: number },
): void {
  const { server } = app;
  /** The requests on each connection that are not answered yet. */
  const connections = new Map<Socket, Set<IncomingMessage>>();
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, new Set());
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const unanswered = connections.get(request.socket);
    unanswered?.add(request);
    response.once('close', () => unanswered?.delete(request));
  });
  // Of what asks for another protocol its handler takes care. Where nobody listens for that, it is a request as any.
  if (server.listenerCount('upgrade') > 0)
    server.on('upgrade', ({ socket }: IncomingMessage) => connections.delete(socket));

  app.addHook('preClose', (done) => {
    if (!server.listening) return done();
    const ending = setInterval(() => {
      for (const [socket, unanswered] of connections)
        if ([...unanswered].every(({ complete }) => !complete)) socket.destroy();
    }, drainMs);
    server.once('close', () => clearInterval(ending));
    done();
  });
}
