import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { until } from '../../test/support/until.ts';
import { Answer } from './answer.ts';
import { ApiError } from './errors.ts';
import { RawJson } from './operation.ts';
import { leave, listen, made, start, token } from './test-server.ts';

const checked = { validateResponses: true };
const Id = Type.Object({ id: Type.Integer() });
const Name = Type.Object({ name: Type.String() });

describe('an answer that is no JSON', () => {
  it.each([
    ['application/yaml', 'apiVersion: v1\n', 'application/yaml'],
    ['text/csv', 'a,b\né,1\n', 'text/csv; charset=utf-8'],
    ['text/plain', '', 'text/plain; charset=utf-8'],
    ['application/pdf', Buffer.from('%PDF-1.7\xff', 'latin1'), 'application/pdf'],
    [
      'application/octet-stream',
      Readable.from([Buffer.from('a'), Buffer.from('b')]),
      'application/octet-stream',
    ],
  ])('is called %s', async (produces, body, contentType) => {
    const sent = body instanceof Readable ? 'ab' : String(body);
    const { origin } = await listen([made(async () => new Answer({ body }), { produces })], checked);
    const answer = await fetch(`${origin}/v2/made`, { headers: token });
    expect([answer.status, await answer.text()]).toEqual([200, sent]);
    expect(answer.headers.get('content-type')).toBe(contentType);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('may be answered as it is, where nothing more is to be said', async () => {
    const { call } = start([made(async () => 'a: 1\n', { produces: 'application/yaml' })]);
    const { text, headers } = await call('GET', '/v2/made');
    expect([text, headers['content-type']]).toEqual(['a: 1\n', 'application/yaml']);
  });

  it('has the headers that it is given', async () => {
    const headers = { 'content-disposition': 'attachment; filename="a.csv"' };
    const { call } = start([made(async () => new Answer({ body: 'a', headers }), { produces: 'text/csv' })]);
    expect((await call('GET', '/v2/made')).headers).toMatchObject(headers);
  });

  it('is an error in JSON where it fails', async () => {
    const csv = made(() => Promise.reject(new ApiError('conflict', 'busy')), { produces: 'text/csv' });
    const { status, headers, json } = await start([csv]).call('GET', '/v2/made');
    expect([status, json().message]).toEqual([409, 'busy']);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
  });
});

describe('an operation with several successes', () => {
  const several = (answered: unknown) =>
    start(
      [
        made(async () => answered, {
          response: Id,
          alternatives: [
            { status: 202, response: Name },
            { status: 204 },
            { status: 302 },
            { status: 200, produces: 'application/yaml' },
          ],
        }),
      ],
      checked,
    );

  it.each([
    [{ id: 1 }, 200, '{"id":1}'],
    [new Answer({ body: { id: 1 } }), 200, '{"id":1}'],
    [new Answer({ body: new RawJson('{"id": 1}') }), 200, '{"id": 1}'],
    [new Answer({ status: 202, body: { name: 'a' } }), 202, '{"name":"a"}'],
    [new Answer({ status: 204 }), 204, ''],
    [new Answer({ type: 'application/yaml', body: 'id: 1' }), 200, 'id: 1'],
  ])('answers %j', async (answered, status, text) => {
    const answer = await several(answered).call('GET', '/v2/made');
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  it('may send the client elsewhere', async () => {
    const location = 'https://example.com/a.pdf?x=1';
    const answer = await several(new Answer({ status: 302, headers: { location } })).call('GET', '/v2/made');
    expect([answer.status, answer.headers.location, answer.text]).toEqual([302, location, '']);
  });

  it.each([
    [new Answer({ status: 202, body: { id: 1 } }), 'name is required.'],
    [new Answer({ status: 201, body: { id: 1 } }), 'declares no success 201.'],
    [new Answer({ type: 'text/csv', body: '1' }), 'declares no success 200 of text/csv.'],
  ])('fails where it answers as it never said: %j', async (answered, problem) => {
    const { call, logged } = several(answered);
    expect((await call('GET', '/v2/made')).status).toBe(500);
    expect(String(Object(logged.flat()[0]).err)).toContain(problem);
  });

  it('shows them all in the document', async () => {
    const document = (await several(undefined).call('GET', '/v2/openapi.json')).json();
    const { responses } = document.paths['/v2/made'].get;
    expect(Object.keys(responses['200'].content)).toEqual(['application/json', 'application/yaml']);
    expect(responses['202'].content['application/json'].schema.required).toEqual(['name']);
    expect(responses['204']).toEqual({ description: 'Success.' });
    expect(responses['302'].description).toContain('location');
  });
});

/** Bytes without an end, as fast as they are taken; how many were, and whether it was told to stop. */
function endless() {
  const seen = { taken: 0, stopped: false };
  const body = new Readable({
    read(size) {
      seen.taken += size;
      this.push(Buffer.alloc(size));
    },
    destroy(error, done) {
      seen.stopped = true;
      done(error);
    },
  });
  return { body, seen };
}

/** Asks by a client that reads nothing yet. */
async function ask(origin: string, path = '/v2/made', method = 'GET'): Promise<IncomingMessage> {
  const sent = requestHttp(`${origin}${path}`, { method, headers: token, agent: false }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.on('error', () => {});
  return answer;
}

/** As `once`, which would fail with the connection. */
const closed = (answer: IncomingMessage) => new Promise((resolve) => answer.once('close', resolve));

const bytes = { produces: 'application/octet-stream' };
const download = (body: Readable, length?: number) =>
  made(async () => new Answer({ body, ...(length !== undefined && { length }) }), bytes);

describe('a download', () => {
  it('comes with its length', async () => {
    const { origin } = await listen([download(Readable.from([Buffer.alloc(100_000, 'a')]), 100_000)]);
    const answer = await fetch(`${origin}/v2/made`, { headers: token });
    expect(answer.headers.get('content-length')).toBe('100000');
    expect(await answer.text()).toBe('a'.repeat(100_000));
  });

  it('is answered to HEAD by its length, unread', async () => {
    const { body, seen } = endless();
    const { origin } = await listen([download(body, 5_000_000)]);
    const answer = await ask(origin, '/v2/made', 'HEAD');
    expect([answer.statusCode, answer.headers['content-length']]).toEqual([200, '5000000']);
    expect(seen).toEqual({ taken: 0, stopped: true });
  });

  it('that fails before its first byte is an error like any other', async () => {
    const broken = new Readable({ read: () => void broken.destroy(new Error('secret')) });
    const headers = { 'content-disposition': 'attachment; filename="a"', 'cache-control': 'max-age=60' };
    const { origin, logged } = await listen([
      made(async () => new Answer({ body: broken, length: 10, headers }), bytes),
    ]);
    const answer = await fetch(`${origin}/v2/made`, { headers: token });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      500,
      'application/json; charset=utf-8',
    ]);
    for (const name of Object.keys(headers)) expect(answer.headers.has(name)).toBe(false);
    expect(await answer.json()).toMatchObject({ id: 'server_error' });
    expect(logged).toHaveLength(1);

    const refused = new Readable({ read: () => void refused.destroy(new ApiError('conflict', 'busy')) });
    expect((await start([download(refused)]).call('GET', '/v2/made')).json().message).toBe('busy');
  });

  it.each([[undefined], [1000]])(
    'that fails later is cut off, with nothing added (length %s)',
    async (length) => {
      const body = new Readable({ read() {} });
      body.push('half');
      const { origin, logged } = await listen([download(body, length)]);
      const answer = await ask(origin);
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += String(chunk);
        body.destroy(new Error('the disk is gone'));
      });
      await closed(answer);
      expect([answer.complete, text]).toEqual([false, 'half']);
      await until(() => logged.length === 1);
      expect(logged).toMatchObject([[{ route: '/v2/made' }, 'a stream broke off']]);
    },
  );

  it('stops when its client goes', async () => {
    const { body, seen } = endless();
    const { origin, logged } = await listen([download(body)]);
    const answer = await ask(origin);
    await once(answer, 'readable');
    answer.destroy();
    await until(() => seen.stopped);
    expect(logged).toEqual([]);
  });

  it('whose client goes before its first byte is no error of ours', async () => {
    const asked = Promise.withResolvers<void>();
    const body = new Readable({ read: () => asked.resolve() });
    const { app, origin, logged } = await listen([download(body)]);
    const sent = requestHttp(`${origin}/v2/made`, { headers: token, agent: false }).end();
    sent.on('error', () => {});
    await asked.promise;
    sent.destroy();
    await until(() => body.destroyed);
    await app.close();
    expect(logged).toEqual([]);
  });

  it('is read no faster than its client reads', async () => {
    const { body, seen } = endless();
    const { origin } = await listen([download(body)]);
    const answer = await ask(origin);
    // The kernel's buffers take some megabytes, then nothing more.
    let taken = -1;
    let turns = 0;
    await until(() => {
      turns = seen.taken === taken ? turns + 1 : 0;
      taken = seen.taken;
      return turns > 50;
    });
    expect(taken).toBeLessThan(100 * 1024 * 1024);
    for (let read = 0; read <= taken; read += (answer.read() as Buffer | null)?.length ?? 0)
      await setImmediate();
    expect(seen.taken).toBeGreaterThan(taken);
    answer.destroy();
  });

  it('does not keep a server from closing', async () => {
    const { body, seen } = endless();
    const { app, origin } = await listen([download(body)], { limits: { drainMs: 20 } });
    const answer = await ask(origin);
    await once(answer, 'readable');
    const gone = closed(answer);
    await app.close();
    expect(seen.stopped).toBe(true);
    answer.resume();
    await gone;
    expect(answer.complete).toBe(false);
  });

  it('that ends in time is complete though the server closes', async () => {
    const body = new Readable({ read() {} });
    body.push('first ');
    const { app, origin } = await listen([download(body)], { limits: { drainMs: 60_000 } });
    const answer = await ask(origin);
    await once(answer, 'readable');
    const ended = app.close();
    body.push('last');
    body.push(null);
    let text = '';
    for await (const chunk of answer) text += String(chunk);
    expect([answer.complete, text]).toEqual([true, 'first last']);
    await ended;
  });
});

it('a team has so many streams open at once, and another its own', async () => {
  const caller = (name: string) => ({ teamId: name, userId: 'u', tokenId: name, scopes: ['*'] });
  const opened: Readable[] = [];
  const open = made(async () => {
    const body = new Readable({ read() {} });
    body.push('a');
    opened.push(body);
    return new Answer({ body });
  }, bytes);
  const { origin } = await listen([open], {
    authenticate: (authorization) => caller(authorization ?? ''),
    limits: { streamsPerTeam: 2, drainMs: 0 },
  });
  const get = (authorization: string) => fetch(`${origin}/v2/made`, { headers: { authorization } });
  expect([(await get('a')).status, (await get('a')).status]).toEqual([200, 200]);
  const refused = await get('a');
  expect([refused.status, await refused.json()]).toEqual([
    429,
    expect.objectContaining({ message: expect.stringMatching(/^Your team has 2 streams/) }),
  ]);
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([false, false, true]);
  expect((await get('b')).status).toBe(200);
  opened[0]?.push(null);
  await until(async () => (await get('a')).status === 200);
});

it('a client that goes before its stream begins has none', async () => {
  const begun = Promise.withResolvers<void>();
  const going = Promise.withResolvers<void>();
  const bodies: Readable[] = [];
  const late = made(async () => {
    begun.resolve();
    await going.promise;
    const body = new Readable({ read() {} });
    bodies.push(body);
    return new Answer({ body });
  }, bytes);
  const started = await listen([late], { limits: { drainMs: 0 } });
  const asked = 'GET /v2/made HTTP/1.1\r\nhost: a\r\nauthorization: Bearer all\r\n\r\n';
  await leave(started, asked, begun.promise);
  going.resolve();
  await until(() => bodies[0]?.destroyed === true);
  // It would wait for a stream that is counted and never ends.
  await started.app.close();
  expect(bodies).toHaveLength(1);
});
