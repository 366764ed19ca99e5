import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { describe, expect, it } from 'vitest';
import { until } from '../../test/support/until.ts';
import { drivenClock } from '../base/clock.ts';
import { EventStream, type ServerEvent } from './answer.ts';
import type { Request } from './operation.ts';
import { rateLimit } from './rate-limit.ts';
import type { ServerOptions } from './server.ts';
import { listen, made, start, token } from './test-server.ts';

type Open = (signal: AbortSignal, request: Request) => AsyncIterable<ServerEvent>;

const events = (open: Open) =>
  made(async (request) => new EventStream((signal) => open(signal, request)), {
    produces: 'text/event-stream',
  });

const listening = (open: Open, options: Partial<ServerOptions> = {}) => listen([events(open)], options);

/** Asks for the events by a client that reads them when `text` is called, until they hold `wanted`. */
async function follow(origin: string, headers: Record<string, string> = {}) {
  const sent = requestHttp(`${origin}/v2/made`, { headers: { ...token, ...headers }, agent: false }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.on('error', () => {});
  const ended = new Promise<void>((resolve) => answer.once('close', resolve));
  let text = '';
  return {
    answer,
    ended,
    async text(wanted: string): Promise<string> {
      if (answer.listenerCount('data') === 0) answer.on('data', (chunk: Buffer) => (text += String(chunk)));
      await until(() => text.includes(wanted));
      return text;
    },
  };
}

/** Waits until nobody wants any more. */
const unwanted = (signal: AbortSignal) => new Promise((resolve) => signal.addEventListener('abort', resolve));

describe('events', () => {
  it('come as the standard has them', async () => {
    const { origin } = await listening(async function* () {
      yield { data: 'one' };
      yield { id: '7', event: 'log', data: 'two\nlines\r\nand\rmore' };
      yield { id: 'a\nb\0c', event: 'x\r\ndata: forged', data: '' };
    });
    const answer = await fetch(`${origin}/v2/made`, { headers: token });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect((await answer.text()).split('\n\n')).toEqual([
      ':',
      'data: one',
      'id: 7\nevent: log\ndata: two\ndata: lines\ndata: and\ndata: more',
      'id: a b c\nevent: x data: forged\ndata: ',
      '',
    ]);
  });

  it('are open before there is one, and stay so', async () => {
    const { origin } = await listening(
      async function* (signal) {
        await unwanted(signal);
        yield { data: 'too late' };
      },
      { limits: { heartbeatMs: 5 } },
    );
    const { text, answer } = await follow(origin);
    expect(answer.statusCode).toBe(200);
    expect(await text(':\n\n:\n\n:\n\n')).toMatch(/^(:\n\n)+$/);
    answer.destroy();
  });

  it('go on where a client was cut off', async () => {
    const { origin } = await listening(async function* (_signal, { headers }) {
      yield { id: '8', data: `after ${String(headers['last-event-id'])}` };
    });
    expect(await (await follow(origin, { 'last-event-id': '7' })).text('after')).toContain('after 7');
  });

  it('end when the client goes, also while the next is awaited', async () => {
    const seen: string[] = [];
    const { origin, logged } = await listening(async function* (signal) {
      try {
        yield { data: 'one' };
        await unwanted(signal);
        seen.push('told');
        throw signal.reason;
      } finally {
        seen.push('ended');
      }
    });
    const { text, answer } = await follow(origin);
    await text('one');
    answer.destroy();
    await until(() => seen.length === 2);
    expect([seen, logged]).toEqual([['told', 'ended'], []]);
  });

  it('that are plenty are asked for no faster than the client reads', async () => {
    let sent = 0;
    const { origin } = await listening(
      async function* () {
        for (; ; sent++) yield { data: 'x'.repeat(10_000) };
      },
      { limits: { heartbeatMs: 1 } },
    );
    const { text, answer } = await follow(origin);
    let before = -1;
    let turns = 0;
    await until(() => {
      turns = sent === before ? turns + 1 : 0;
      before = sent;
      return turns > 50;
    });
    expect(sent).toBeLessThan(10_000);
    void text('never').catch(() => {});
    await until(() => sent > before);
    answer.destroy();
  });

  it('that fail before the first are an error, and later cut the connection', async () => {
    const failing = events(() => {
      throw new Error('at once');
    });
    const first = start([failing]);
    expect((await first.call('GET', '/v2/made')).status).toBe(500);
    expect(first.logged).toHaveLength(1);

    const { origin, logged } = await listening(async function* () {
      yield { data: 'one' };
      throw new Error('the source is gone');
    });
    const { text, answer, ended } = await follow(origin);
    expect(await text('one')).toBe(':\n\ndata: one\n\n');
    await ended;
    expect(answer.complete).toBe(false);
    expect(logged).toMatchObject([[{ route: '/v2/made' }, 'a stream broke off']]);
  });

  it('do not begin for HEAD', async () => {
    let opened = 0;
    const open = events(async function* () {
      opened++;
      yield { data: 'one' };
    });
    const { status, headers } = await start([open]).call('HEAD', '/v2/made');
    expect([status, headers['content-type'], opened]).toEqual([200, 'text/event-stream; charset=utf-8', 0]);
  });

  it('are refused as everything is', async () => {
    const { call } = start([{ ...events(async function* () {}), scopes: ['app:read'] }]);
    expect((await call('GET', '/v2/made', { headers: { authorization: '' } })).status).toBe(401);
    expect((await call('GET', '/v2/made', { headers: { authorization: 'Bearer reader' } })).status).toBe(403);
    const limited = start([events(async function* () {})], {
      rateLimit: rateLimit({ perHour: 1, perMinute: 1, clock: drivenClock() }),
    });
    expect((await limited.call('GET', '/v2/made')).status).toBe(200);
    expect((await limited.call('GET', '/v2/made')).status).toBe(429);
  });
});

describe('a server that closes', () => {
  it('ends them, though their source is busy', async () => {
    const seen: string[] = [];
    const { app, origin } = await listening(
      async function* (signal) {
        signal.addEventListener('abort', () => seen.push('told'));
        yield { data: 'one' };
        await new Promise(() => {});
      },
      { limits: { drainMs: 60_000 } },
    );
    const { text, answer, ended } = await follow(origin);
    await text('one');
    await app.close();
    await ended;
    // Not cut off: a client knows that this was all, and comes again.
    expect([answer.complete, seen]).toEqual([true, ['told']]);
  });

  it('cuts off a client that does not read', async () => {
    const { app, origin } = await listening(
      async function* () {
        for (;;) yield { data: 'x'.repeat(10_000) };
      },
      { limits: { drainMs: 20 } },
    );
    const { answer, ended } = await follow(origin);
    await app.close();
    answer.resume();
    await ended;
    expect(answer.complete).toBe(false);
  });

  it('begins none while it waits for others', async () => {
    let asked: Promise<number> | undefined;
    const { app, origin } = await listening(
      async function* (signal) {
        // The server listens until the streams have ended.
        signal.addEventListener('abort', () => {
          asked = fetch(`${origin}/v2/made`, { headers: token }).then(({ status }) => status);
        });
        // More than the client takes without reading.
        yield { data: 'x'.repeat(50_000_000) };
      },
      { limits: { drainMs: 60_000 } },
    );
    const { answer } = await follow(origin);
    await once(answer, 'readable');
    const closed = app.close();
    await until(() => asked !== undefined);
    expect(await asked).toBe(503);
    answer.resume();
    await closed;
  });
});
