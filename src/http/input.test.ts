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

  it.each([
    [{}, 'name is required.'],
    [{ name: null }, 'name must be a string.'],
    [{ name: 1 }, 'name must be a string.'],
    [{ name: '' }, 'name must not be empty.'],
    [{ name: 'abcdef' }, 'name must have at most 5 characters.'],
    [{ name: 'a', size: '3' }, 'size must be an integer.'],
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
