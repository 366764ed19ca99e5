/**
 * One connection of its own, for what must never wait behind other work: listening, advisory locks and short
 * statements. It is made anew by itself whenever it breaks.
 */
import pg from 'pg';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type Address, connectionOptions } from './open.ts';

/** Called for what comes on a channel. */
export interface ChannelListener {
  notified(payload: string): void;
  /** The connection broke: notifications may have been missed. */
  disconnected(): void;
}

export interface Listening {
  /** Whether notifications arrive now. */
  hears(): boolean;
  stop(): void;
}

export interface Session {
  /** Connects for the first time; rejects where that fails. */
  start(): Promise<void>;
  connected(): boolean;
  /** One statement after the other, in the order of the calls. Rejects at once where there is no connection. */
  query<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<pg.QueryResult<Row>>;
  /** Hears what is notified on a channel, now and after each new connection. */
  listen(channel: string, listener: ChannelListener): Listening;
  /** Gives up a connection that does not answer, as if it had broken: nothing else tells that for a quarter of an hour. */
  reset(reason: string): void;
  end(): Promise<void>;
}

export interface SessionOptions {
  address: Address;
  name: string;
  clock: Clock;
  log: Log;
  /** 0 ≤ n < 1; spreads reconnections. */
  random: () => number;
  /** More settings of the connection, as in `-c name=value`. */
  settings?: string;
  /** Done with each new connection before anybody else may use it; where it throws, the connection is given up. */
  prepare?(client: pg.Client): Promise<void>;
  connected?(): void;
  lost?(): void;
}

/** How long to wait before try number `tries` + 1 to connect, ms: 50 ms doubling to 10 s, ± 50 %. */
export const reconnectMs = (tries: number, random: () => number): number =>
  Math.min(50 * 2 ** Math.min(tries, 20), 10_000) * (0.5 + random());

export function openSession(options: SessionOptions): Session {
  const { address, name, clock, log, random } = options;
  const channels = new Map<string, Set<ChannelListener>>();
  /** The channels that the connection listens to. */
  const heard = new Set<string>();
  let client: pg.Client | undefined;
  let tail: Promise<unknown> = Promise.resolve();
  let ended = false;
  let connecting: Promise<void> | undefined;
  let cancelRetry = () => {};
  let reset: (reason: Error) => void = () => {};

  /** The driver takes one statement at a time. */
  function exclusive<Result>(ask: () => Promise<Result>): Promise<Result> {
    const result = tail.then(ask);
    tail = result.catch(() => {});
    return result;
  }

  async function connect(): Promise<void> {
    const mine = new pg.Client({
      ...connectionOptions(address, name),
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      ...(options.settings && { options: options.settings }),
    });
    let over = false;
    const lost = (reason?: Error) => {
      if (over) return;
      over = true;
      if (client !== mine) return;
      client = undefined;
      heard.clear();
      mine.end().catch(() => {});
      if (ended) return;
      log.warn({ error: reason?.message, session: name }, 'a session with the database was lost');
      for (const listeners of channels.values()) for (const listener of listeners) listener.disconnected();
      options.lost?.();
      retry(0);
    };
    mine.on('error', lost).on('end', () => lost());
    mine.on('notification', ({ channel, payload }) => {
      for (const listener of channels.get(channel) ?? []) listener.notified(payload ?? '');
    });
    try {
      await mine.connect();
      await options.prepare?.(mine);
      for (const channel of channels.keys()) {
        await mine.query(`listen ${channel}`);
        heard.add(channel);
      }
    } catch (error) {
      over = true;
      mine.end().catch(() => {});
      throw error;
    }
    if (over || ended) {
      mine.end().catch(() => {});
      if (!ended) throw new Error('the connection broke while it was made');
      return;
    }
    client = mine;
    reset = lost;
    options.connected?.();
  }

  function retry(tries: number): void {
    cancelRetry = clock.after(reconnectMs(tries, random), () => {
      if (ended || client) return;
      connecting = connect().catch((error: Error) => {
        log.warn({ error: error.message, session: name }, 'the database cannot be reached');
        if (!ended) retry(tries + 1);
      });
    });
  }

  return {
    start() {
      connecting = connect();
      return connecting;
    },
    connected: () => client !== undefined,
    query(query) {
      const mine = client;
      if (!mine) return Promise.reject(new Error('there is no session with the database'));
      return exclusive(() => mine.query(query));
    },
    listen(channel, listener) {
      const listeners = channels.get(channel) ?? new Set();
      channels.set(channel, listeners.add(listener));
      const mine = client;
      // Every later connection begins with it. Where this fails, the connection is lost anyway.
      if (mine && !heard.has(channel)) {
        exclusive(() => mine.query(`listen ${channel}`)).then(
          () => client === mine && heard.add(channel),
          () => {},
        );
      }
      return {
        hears: () => client !== undefined && heard.has(channel),
        stop: () => void listeners.delete(listener),
      };
    },
    reset: (reason) => reset(new Error(reason)),
    async end() {
      ended = true;
      cancelRetry();
      const mine = client;
      client = undefined;
      await mine?.end().catch(() => {});
      await connecting?.catch(() => {});
    },
  };
}
