/** What a handler may answer beside the JSON of its usual success. (`RawJson` is in operation.ts.) */
import type { WebSocket } from 'ws';
import type { Success } from './operation.ts';

interface Parts {
  /** One of the operation's `alternatives`; absent: its usual status. */
  status?: Success['status'];
  /** The media type, where the status alone does not say which success is meant. */
  type?: string;
  headers?: Readonly<Record<string, string>>;
  /**
   * Where the success is JSON, its value; else text, a Buffer, or a Readable of bytes. A Readable that fails before
   * its first byte is answered like a handler that throws; later its connection is cut off, so that nobody takes half
   * for the whole.
   */
  body?: unknown;
  /** Of a stream, bytes, where it is known. */
  length?: number;
}

/** A success with another status, content type or headers, or with a stream for its body. */
export class Answer {
  readonly parts: Parts;
  constructor(parts: Parts) {
    this.parts = parts;
  }
}

export interface ServerEvent {
  /** A client that was cut off sends the last one it saw as `last-event-id`. */
  id?: string;
  event?: string;
  /** Text, of as many lines as it has. */
  data: string;
}

/** Server-sent events (`produces: 'text/event-stream'`), until there are no more. */
export class EventStream {
  /**
   * Begins them. The next one is asked for only when the client has taken those before. `signal` is aborted when
   * nobody wants any more: the client has gone, or the server drains.
   */
  readonly open: (signal: AbortSignal) => AsyncIterable<ServerEvent>;
  constructor(open: (signal: AbortSignal) => AsyncIterable<ServerEvent>) {
    this.open = open;
  }
}

/** The request becomes a WebSocket. What is to be refused is thrown by the handler before, as for any operation. */
export class Upgrade {
  /**
   * Serves the socket, which is closed when the promise is settled: normally, or with 1011 where it is rejected. To
   * miss no message it listens before it first waits. A client that goes, hangs, or is sent away by a server that drains is a `close` event. Whoever sends much waits for
   * `send` to call back: what a slow client does not take is kept in memory until then.
   */
  readonly serve: (socket: WebSocket) => Promise<void>;
  constructor(serve: (socket: WebSocket) => Promise<void>) {
    this.serve = serve;
  }
}
