/**
 * Where the operator asks the loop: a port of its own, which tenants never reach. By default a unix socket below the
 * home, which takes nobody's port and which only the operator can open; a Prometheus that needs TCP gets a port on
 * loopback.
 */
import { rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Outdated } from '../engine/compute/port.ts';
import type { Queryable } from '../store/store.ts';
import { expose, expositionType } from './exposition.ts';
import type { KindMetrics, LoopMetrics } from './metrics.ts';
import { type LoopState, readState } from './state.ts';

export type OperatorAddress = { socket: string } | { host: string; port: number };

/** What `GET /loop` answers. */
export interface LoopReport extends LoopState {
  /** Of the process that was asked. */
  counts: Record<string, KindMetrics>;
}

export interface OperatorPort {
  close(): Promise<void>;
}

export interface OperatorPortDeps {
  db: Queryable;
  clock: Clock;
  log: Log;
  metrics: LoopMetrics;
  outdated(): Promise<Outdated[]>;
}

/**
 * Answers `GET /metrics`, `GET /loop` and `GET /outdated` (the machines that `Compute.outdated` tells) at every address. One that cannot be listened on is logged: what it is for
 * must not keep the control plane from its work.
 */
export async function openOperatorPort(
  deps: OperatorPortDeps,
  addresses: OperatorAddress[],
): Promise<OperatorPort> {
  const { db, clock, log, metrics, outdated } = deps;

  async function answer(path: string): Promise<{ status: number; type: string; text: string }> {
    if (path === '/outdated')
      return { status: 200, type: 'application/json', text: JSON.stringify(await outdated()) };
    if (path !== '/metrics' && path !== '/loop')
      return { status: 404, type: 'text/plain', text: 'GET /metrics, GET /loop or GET /outdated\n' };
    const now = clock.now();
    const state = await readState(db, now);
    if (path === '/metrics')
      return { status: 200, type: expositionType, text: expose(metrics.byKind(), state, now) };
    const report: LoopReport = { ...state, counts: Object.fromEntries(metrics.byKind()) };
    return { status: 200, type: 'application/json', text: JSON.stringify(report) };
  }

  const listener: RequestListener = (request, response) => {
    const path = request.method === 'GET' ? (request.url ?? '').split('?')[0] : undefined;
    answer(path ?? '').then(
      ({ status, type, text }) => response.writeHead(status, { 'content-type': type }).end(text),
      (error: Error) => {
        log.warn({ error: error.message }, 'the operator port cannot answer');
        response
          .writeHead(503, { 'content-type': 'text/plain' })
          .end('The database or an engine does not answer.\n');
      },
    );
  };

  const servers = await Promise.all(
    addresses.map(async (address) => {
      const server = createServer(listener);
      // One that was left behind by a process that was killed.
      if ('socket' in address) rmSync(address.socket, { force: true });
      await new Promise<void>((resolve) => {
        server.on('error', (error) => {
          log.warn({ address, error: error.message }, 'the operator port cannot be opened');
          resolve();
        });
        server.listen('socket' in address ? { path: address.socket } : address, resolve);
      });
      return server;
    }),
  );
  return {
    async close() {
      await Promise.all(
        servers.map((server) => {
          server.closeAllConnections();
          return new Promise<void>((resolve) => {
            server.close(() => resolve());
          });
        }),
      );
    },
  };
}
