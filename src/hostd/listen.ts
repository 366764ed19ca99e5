import type { Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { type Clock, sleep } from '../base/clock.ts';
import { errorText, log } from './log.ts';

const RETRY_MS = 1_000;

/**
 * Listens on an address that may not exist yet (the bridge is made by incusd, which may start later): tries
 * every second until it works or `signal` aborts, and writes to the log when the reason changes.
 */
export async function listenWhenPossible(
  server: Server,
  where: { host: string; port: number },
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let reason: string | undefined;
  while (!signal.aborted) {
    try {
      await listen(server, where);
      log('info', 'metadata service listens', where);
      return;
    } catch (error) {
      if (errorText(error) !== reason) {
        reason = errorText(error);
        log('warn', 'metadata service cannot listen yet; trying again every second', { error: reason });
      }
      await sleep(clock, RETRY_MS, signal);
    }
  }
}

/** Listens once; rejects with the reason where that fails. */
export function listen(
  server: Server,
  where: { host: string; port: number } | { path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Stops listening, lets answers that are under way finish for up to 2 s, then cuts what is left. */
export function closeServer(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), 2_000);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
