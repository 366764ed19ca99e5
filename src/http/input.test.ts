import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { start, uuid } from './test-server.ts';

describe('a body', () => {
  it('may be absent, empty or null with a JSON content type', async () => {
    const { call } = start();
    const headers = { 'content-type': 'application/json' };
    for (const payload of ['', '  ', 'null', '{}']) {
      expect((await call('DELETE', '/v2/droplets/1', { headers, payload })).status).toBe(204);
      expect((await call('GET', '/v2/droplets/1', { headers, payload })).status).toBe(200);
    }
    expect((await call('DELETE', '/v2/droplets/1', { headers })).status).toBe(204);
  });

  it('is read from a DELETE', async () => {
    const payload = '{"reason":"busy"}';
    const { status, json } = await start().call('DELETE', '/v2/droplets/1', { payload });
    expect(status).toBe(409);
    expect(json()).toMatchObject({ id: 'conflict', message: 'busy' });
  });

  it('is JSON whatever its content type', async () => {
    const { call } = start();
    const types = [
      'application/x-www-form-urlencoded',
      'text/plain',
      'json',
      'application/json;charset=UTF-8',
      '*/*',
    ];
    for (const type of types) {
      const headers = { 'content-type': type };
      expect((await call('POST', '/v2/droplets', { headers, payload: '{"name":"a"}' })).status).toBe(202);
    }
    expect((await call('POST', '/v2/droplets', { payload: Buffer.from('{"name":"a"}') })).status).toBe(202);
  });

  it('that is not JSON is 400', async () => {
    const { create } = start();
    for (const payload of [
      '{',
      '{"name":}',
      'name=a',
      '{"__proto__":{}}',
      '{"constructor":{"prototype":1}}',
    ]) {
      const { status, json } = await create(payload);
      expect(status).toBe(400);
      expect(json()).toMatchObject({ id: 'bad_request', message: 'The request body is not valid JSON.' });
    }
  });

  it.each([
    [
      'application/x-www-form-urlencoded',
      'name=a',
      'form-encoded (content-type: application/x-www-form-urlencoded)',
    ],
    [
      'Application/X-WWW-Form-Urlencoded; charset=utf-8',
      'name=a&size=1',
      'form-encoded (content-type: Application',
    ],
    ['multipart/form-data; boundary=x', '--x\r\n\r\na\r\n--x--', 'of the content type multipart/form-data'],
    ['application/xml', '<name>a</name>', 'of the content type application/xml'],
    ['text/plain', 'name: a', 'of the content type text/plain'],
  ])('that is called %s, and is that, is 415 and named', async (type, payload, named) => {
    const { status, json } = await start().call('POST', '/v2/droplets', {
      headers: { 'content-type': type },
      payload,
    });
    expect([status, json().id]).toEqual([415, 'unsupported_media_type']);
    expect(json().message).toContain(`The request body is not JSON, but ${named}`);
    expect(json().message).toMatch(/Send JSON in UTF-8, with the header content-type: application\/json\.$/);
  });

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', (text: string) => Buffer.from(text)],
    ['gzip, identity', gzipSync],
  ])('that is compressed by %s is 415 and named', async (coding, compress) => {
    const { status, json } = await start().call('POST', '/v2/droplets', {
      headers: { 'content-type': 'application/json', 'content-encoding': coding },
      payload: compress('{"name":"a"}'),
    });
    expect([status, json().id]).toEqual([415, 'unsupported_media_type']);
    expect(json().message).toBe(
      `The request body is compressed (content-encoding: ${coding}), which is not supported. Send it as it is.`,
    );
  });

  it.each([
    ['in Latin-1', Buffer.from('{"name":"\xe9"}', 'latin1')],
    ['in UTF-16 with a byte order mark', Buffer.from('\ufeff{"name":"a"}', 'utf16le')],
    ['cut within a character', Buffer.from('{"name":"☃').subarray(0, -1)],
    ['with half a surrogate pair in bytes', Buffer.from('7b226e616d65223a22eda080227d', 'hex')],
    ['with an overlong slash', Buffer.from('7b226e616d65223a22c0af227d', 'hex')],
  ])('that is not UTF-8, but %s, is 400 and named', async (_what, payload) => {
    const { status, json } = await start().call('POST', '/v2/droplets', { payload });
    expect([status, json().id]).toEqual([400, 'bad_request']);
    expect(json().message).toMatch(/^The request body is not valid UTF-8\. Send JSON in UTF-8/);
  });

  it('is UTF-8 whatever charset it is said to have, and may begin with a byte order mark', async () => {
    const { call } = start();
    for (const charset of ['utf-8', 'UTF8', 'iso-8859-1', 'none']) {
      const headers = {
        'content-type': `application/json; charset=${charset}`,
        'content-encoding': 'identity',
      };
      const { json } = await call('POST', '/v2/droplets', { headers, payload: '\ufeff {"name":"é☃"}' });
      expect(json().body).toEqual({ name: 'é☃' });
    }
    const utf16 = Buffer.from('{"name":"a"}', 'utf16le');
    expect((await call('POST', '/v2/droplets', { payload: utf16 })).status).toBe(400);
  });

  it('that has a field twice means the last, and a number that is too large is none', async () => {
    const { create } = start();
    expect((await create('{"name":"a","name":"b"}')).json().body).toEqual({ name: 'b' });
    for (const size of ['1e400', '-1e400', '1e308', '9007199254740993', '0.1']) {
      const { status, json } = await create(`{"name":"a","size":${size}}`);
      expect([status, json().message]).toEqual([422, expect.stringMatching(/^size must be /)]);
    }
    expect((await create('{"name":"a","record":{"ttl":1e400}}')).status).toBe(422);
  });

  it('that is no object is 422', async () => {
    const { create } = start();
    for (const payload of ['[]', '"a"', '1', 'true']) {
      const { status, json } = await create(payload);
      expect(status).toBe(422);
      expect(json().message).toBe('The request body must be a JSON object.');
    }
  });

  it('beyond the limit is 413', async () => {
    const { status, json } = await start().create({ name: 'a'.repeat(1024 * 1024) });
    expect(status).toBe(413);
    expect(json().id).toBe('request_entity_too_large');
  });

  it('nested deeper than the stack is refused like any other', async () => {
    const deep = `${'['.repeat(200_000)}"\\u0000"${']'.repeat(200_000)}`;
    expect((await start().create(`{"name":"a","other":${deep}}`)).status).toBe(422);
  });
});

describe('a field', () => {
  it('that is optional and empty is absent, and one that is unknown is let through', async () => {
    const body = { name: 'a', size: 0, tags: null, backups: null, kind: '', other: 1 };
    const { status, json } = await start().create(body);
    expect(status).toBe(202);
    expect(json().body).toEqual({ name: 'a', other: 1 });
  });

  it('that is optional and empty is kept where that is a value of it, but for null', async () => {
    const body = { name: 'a', weight: 0, about: '' };
    expect((await start().create(body)).json().body).toEqual(body);
    expect((await start().create({ name: 'a', weight: null, about: null })).json().body).toEqual({
      name: 'a',
    });
    expect((await start().create({ name: 'a', weight: '0' })).json().body).toEqual({ name: 'a', weight: 0 });
  });

  it('that wants a number or a boolean takes it as text, however deep', async () => {
    const sent = {
      name: '7',
      size: '-3',
      backups: 'True',
      tags: ['1', 'true'],
      ssh_keys: ['12', 13],
      ids: ['12', 13],
      record: { ttl: '0.5', other: '1' },
      other: { ids: ['1'] },
      weight: '9007199254740991',
    };
    const { status, json } = await start().create(sent);
    expect(status).toBe(202);
    expect(json().body).toEqual({
      ...sent,
      size: -3,
      backups: true,
      ids: [12, 13],
      record: { ttl: 0.5, other: '1' },
      weight: 9007199254740991,
    });
    const names = '{"name":"a","__proto":"1","record":{"constructor":"1","ttl":"2"}}';
    expect((await start().create(names)).json().body.record).toEqual({ constructor: '1', ttl: 2 });
  });

  it.each([
    [{}, 'name is required.'],
    [{ name: null }, 'name must be a string.'],
    [{ name: 1 }, 'name must be a string.'],
    [{ name: '' }, 'name must not be empty.'],
    [{ name: 'abcdef' }, 'name must have at most 5 characters.'],
    [{ name: 'a', size: '3.0' }, 'size must be an integer.'],
    [{ name: 'a', size: '9007199254740993' }, 'size must be at most 9007199254740991.'],
    [{ name: 'a', size: '9'.repeat(400) }, 'size must be an integer.'],
    [{ name: 'a', size: true }, 'size must be an integer.'],
    [{ name: 'a', backups: 1 }, 'backups must be true or false.'],
    [{ name: 'a', ids: ['1', 'x'] }, 'ids[1] must be an integer.'],
    [{ name: 'a', record: { ttl: '1 h' } }, 'record.ttl must be a number or null.'],
    [{ name: 'a', size: 1.5 }, 'size must be an integer.'],
    [{ name: 'a', size: 2 ** 53 }, 'size must be at most 9007199254740991.'],
    [{ name: 'a', backups: 'yes' }, 'backups must be true or false.'],
    [{ name: 'a', kind: 'c' }, 'kind must be one of a, b.'],
    [{ name: 'a', tags: 'x' }, 'tags must be a list.'],
    [{ name: 'a', tags: ['x', 1] }, 'tags[1] must be a string.'],
    [{ name: 'a', ssh_keys: [1, 'x', true] }, 'ssh_keys[2] must be an integer or a string.'],
    [{ name: 'a', ssh_keys: [2 ** 53] }, 'ssh_keys[0] must be at most 9007199254740991.'],
    [{ name: 'a\0' }, 'name must not contain NUL characters.'],
    [{ name: 'a', tags: ['x', '\0'] }, 'tags[1] must not contain NUL characters.'],
    [{ name: 'a\ud800' }, 'name must be valid Unicode.'],
    [{ name: 'a', other: { '\0': 1 } }, 'other must not contain NUL characters.'],
  ])('that is wrong is 422 and named: %j', async (body, message) => {
    const { status, json } = await start().create(body);
    expect(json()).toMatchObject({ id: 'unprocessable_entity', message });
    expect(status).toBe(422);
  });
});

describe('a path', () => {
  it('with a parameter that can be no id is 404', async () => {
    const { call } = start();
    const names = [
      'abc',
      '0',
      '-1',
      '1.5',
      '1e3',
      '9007199254740993',
      '9'.repeat(30),
      '%00',
      '%zz',
      '%ff',
      'a'.repeat(5000),
    ];
    for (const name of names) {
      const { status, headers, json } = await call('GET', `/v2/droplets/${name}`);
      expect([name, status]).toEqual([name, 404]);
      expect(json().id).toBe('not_found');
      expect(headers['x-request-id']).toMatch(uuid);
    }
  });

  it('may end in a slash, and gives its parameters their types', async () => {
    expect((await start().call('GET', '/v2/droplets/12/')).json().params).toEqual({ droplet_id: 12 });
  });

  it('that is unknown is 404', async () => {
    const { status, json } = await start().call('GET', '/v2/nothing/here');
    expect(status).toBe(404);
    expect(json().message).toBe('The resource you requested could not be found.');
  });

  it('of the published API that is not built is 501 and named', async () => {
    const { status, json } = await start().call('GET', '/v2/kubernetes/clusters/8d91899c/node_pools?page=1');
    expect(status).toBe(501);
    expect(json().id).toBe('not_implemented');
    expect(json().message).toContain(
      'kubernetes_list_nodePools (GET /v2/kubernetes/clusters/{cluster_id}/node_pools)',
    );
  });

  it('with a method it has not is 405 and names those it has', async () => {
    const { status, headers, json } = await start().call('PATCH', '/v2/droplets/1');
    expect(status).toBe(405);
    expect(headers.allow).toBe('GET, DELETE');
    expect(json()).toMatchObject({ id: 'method_not_allowed' });
  });

  it('is answered to HEAD as to GET, without a body', async () => {
    const { status, headers, text } = await start().call('HEAD', '/v2/droplets');
    expect([status, text]).toEqual([200, '']);
    expect(Number(headers['content-length'])).toBeGreaterThan(10);
  });
});

const links = async (query: string) => (await start().call('GET', `/v2/droplets?${query}`)).json();

describe('a query', () => {
  it('pages, and ignores what is empty or unknown', async () => {
    expect((await links('page=2&name=x&utm=1')).links.pages).toEqual({
      first: 'http://localhost:80/v2/droplets?page=1&name=x&utm=1',
      prev: 'http://localhost:80/v2/droplets?page=1&name=x&utm=1',
      next: 'http://localhost:80/v2/droplets?page=3&name=x&utm=1',
      last: 'http://localhost:80/v2/droplets?page=3&name=x&utm=1',
    });
    expect((await links('page=&per_page=0&name=')).meta.total).toBe(41);
    expect((await links('per_page=500')).links).toEqual({});
    expect((await links('page=1&page=3')).links.pages.next).toBeUndefined();
  });

  it.each([
    ['page=-1', 'page must be at least 1.'],
    ['per_page=abc', 'per_page must be an integer.'],
    ['page=1e3', 'page must be an integer.'],
    ['page=99999999999999999999', 'page must be at most 9007199254740991.'],
    ['name=%00', 'name must not contain NUL characters.'],
  ])('that is wrong is 422 and named: %s', async (query, message) => {
    expect(await links(query)).toMatchObject({ id: 'unprocessable_entity', message });
  });
});
