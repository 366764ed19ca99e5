import { Readable } from 'node:stream';
import type { EventStream, ServerEvent } from './answer.ts';

/** A line that means nothing: it opens a stream, and shows both sides that it still is. */
const comment = ':\n\n';

/**
 * The bytes of server-sent events, as the HTML standard has them, with a comment every `heartbeatMs` in which nothing
 * else waits to be sent. `end` ends them after what was sent already; destroying them ends the source, too.
 */
export function eventBytes({ open }: EventStream, heartbeatMs: number): { bytes: Readable; end(): void } {
  const unwanted = new AbortController();
  const events = open(unwanted.signal)[Symbol.asyncIterator]();
  let asking = false;

  const bytes = new Readable({
    read() {
      if (!asking && !unwanted.signal.aborted) void next();
    },
    destroy(error, done) {
      stop();
      done(error);
    },
  });
  const heartbeat = setInterval(() => {
    if (bytes.readableLength === 0) bytes.push(comment);
  }, heartbeatMs);
  bytes.push(comment);

  async function next(): Promise<void> {
    asking = true;
    try {
      const { done, value } = await events.next();
      asking = false;
      if (unwanted.signal.aborted) return;
      if (done) end();
      else bytes.push(written(value));
    } catch (error) {
      // What a source throws because it was told to stop is its way of stopping.
      if (!unwanted.signal.aborted) bytes.destroy(error as Error);
    }
  }

  function stop(): void {
    clearInterval(heartbeat);
    if (unwanted.signal.aborted) return;
    unwanted.abort();
    // It may be busy for a while yet; nobody waits for it.
    events.return?.()?.catch(() => {});
  }

  function end(): void {
    if (unwanted.signal.aborted) return;
    stop();
    bytes.push(null);
  }

  return { bytes, end };
}

function written({ id, event, data }: ServerEvent): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${oneLine(id)}`]),
    ...(event === undefined ? [] : [`event: ${oneLine(event)}`]),
    ...data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`),
  ];
  return `${lines.join('\n')}\n\n`;
}

/** A client ignores an id with a NUL, and a line break would begin another field. */
const oneLine = (text: string): string => text.replace(/[\r\n\0]+/g, ' ');
