import { once } from 'node:events';
import { connect } from 'node:net';
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { listen, made, start, token } from './test-server.ts';

const limit = 1000;

describe('a body', () => {
  const Size = Type.Object({ size: Type.Optional(Type.Integer()), name: Type.Optional(Type.String()) });
  /** `size: 3` is all the YAML that it takes for such. */
  const parse = (text: string): unknown => {
    const [, name = '', value = ''] = /^(\w+): (\w+)\n$/.exec(text) ?? [];
    if (!name) throw new Error('no mapping (1:1)\n  ^');
    return { [name]: value };
  };
  const spec = made(async ({ body }) => ({ body }), {
    method: 'POST',
    body: Size,
    bodyLimit: limit,
    bodyReaders: { 'application/yaml': parse },
  });
  const send = (type: string | undefined, payload: string) =>
    start([spec]).call('POST', '/v2/made', { payload, headers: { ...(type && { 'content-type': type }) } });

  it('is read by the operation’s own reader, by its content type', async () => {
    expect((await send('application/yaml', 'size: 3\n')).json()).toEqual({ body: { size: 3 } });
    expect((await send('Application/YAML; charset=utf-8', 'name: a\n')).json()).toEqual({
      body: { name: 'a' },
    });
    expect((await send('application/json', '{"size":3}')).json()).toEqual({ body: { size: 3 } });
    expect((await send(undefined, '{"size":3}')).json()).toEqual({ body: { size: 3 } });
    expect((await send('application/yaml', '')).json()).toEqual({ body: {} });
  });

  it.each([
    ['application/yaml', 'size: x\n', 422, 'size must be an integer.'],
    ['application/yaml', '- x', 400, 'The request body is not valid application/yaml: no mapping (1:1)'],
    ['application/json', 'size: 3\n', 400, 'The request body is not valid JSON.'],
    [
      'text/x-yaml',
      'size: 3\n',
      415,
      'The request body is not JSON, but of the content type text/x-yaml. Send JSON in UTF-8, with the header content-type: application/json, or application/yaml, called so.',
    ],
    ['constructor', 'size: 3\n', 400, 'The request body is not valid JSON.'],
  ])('that is called %s and is none is refused: %j', async (type, text, status, message) => {
    const answer = await send(type, text);
    expect([answer.status, answer.json().message]).toEqual([status, message]);
  });

  it('has the operation’s own limit, which is named, with and without its length', async () => {
    const { origin } = await listen([spec]);
    const post = async (size: number, chunked: boolean) => {
      const text = JSON.stringify({ name: 'a'.repeat(size) });
      const body = chunked ? new Blob([text]).stream() : text;
      const sent = await fetch(`${origin}/v2/made`, { method: 'POST', headers: token, body, duplex: 'half' });
      return [sent.status, ((await sent.json()) as { message?: string }).message];
    };
    const message = 'The request body is larger than 1000 bytes, the most taken here.';
    for (const chunked of [false, true]) {
      expect((await post(limit - 20, chunked))[0]).toBe(200);
      expect(await post(limit, chunked)).toEqual([413, message]);
      expect(await post(20_000_000, chunked)).toEqual([413, message]);
    }
  });

  it.each([
    ['content-length: 5000000', '', 413],
    ['transfer-encoding: chunked', '4c4b40\r\n', 413],
    ['content-length: 5000000\r\ncontent-encoding: gzip', '', 413],
    ['content-length: 500\r\ncontent-encoding: gzip', '', 415],
  ])(
    'that is refused is answered to a client that sends all of it first: %s',
    async (headers, begin, status) => {
      const { port } = await listen([spec]);
      const head = `POST /v2/made HTTP/1.1\r\nhost: a\r\nauthorization: Bearer all\r\n${headers}\r\n\r\n`;
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      const body = 'a'.repeat(Number(/\d{3,}/.exec(headers)?.[0] ?? 5_000_000));
      await new Promise((resolve) => socket.write(`${head}${begin}${body}`, resolve));
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      socket.destroy();
    },
  );

  it('has the server’s limit otherwise', async () => {
    const { status, json } = await start().create({ name: 'a'.repeat(1024 * 1024) });
    expect([status, json()]).toEqual([
      413,
      {
        id: 'request_entity_too_large',
        message: 'The request body is larger than 1048576 bytes, the most taken here.',
        request_id: expect.any(String),
      },
    ]);
  });

  it('shows its types and its limit in the document', async () => {
    const document = (await start([spec]).call('GET', '/v2/openapi.json')).json();
    const { requestBody } = document.paths['/v2/made'].post;
    expect(requestBody.description).toBe('At most 1000 bytes.');
    expect(Object.keys(requestBody.content)).toEqual(['application/json', 'application/yaml']);
  });
});
