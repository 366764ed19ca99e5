import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { publicKey } from '../support/ssh-key.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const keys = '/v2/account/keys';
const add = async (name = 'laptop') =>
  (await atoll.api.expect(201, 'POST', keys, { name, public_key: publicKey() })).ssh_key;

describe('an SSH key', () => {
  it('is added, and found by its id and its fingerprint', async () => {
    const key = await add();
    expect(key).toMatchObject({
      id: expect.any(Number),
      name: 'laptop',
      fingerprint: expect.stringMatching(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/),
    });
    for (const identifier of [key.id, key.fingerprint, key.fingerprint.toUpperCase()]) {
      expect((await atoll.api.expect(200, 'GET', `${keys}/${identifier}`)).ssh_key).toEqual(key);
    }
    // As godo sends it, percent-encoded.
    await atoll.api.expect(200, 'GET', `${keys}/${encodeURIComponent(key.fingerprint)}`);
  });

  it('is renamed and nothing else of it is changed', async () => {
    const key = await add();
    const renamed = { ...key, name: 'Büro ☕' };
    const body = { name: 'Büro ☕', public_key: publicKey() };
    expect((await atoll.api.expect(200, 'PUT', `${keys}/${key.fingerprint}`, body)).ssh_key).toEqual(renamed);
    expect((await atoll.api.expect(200, 'GET', `${keys}/${key.id}`)).ssh_key).toEqual(renamed);
  });

  it('is deleted once, and may come again', async () => {
    const key = await add();
    await atoll.api.expect(204, 'DELETE', `${keys}/${key.id}`);
    for (const method of ['GET', 'DELETE'] as const) await atoll.api.expect(404, method, `${keys}/${key.id}`);
    await atoll.api.expect(404, 'PUT', `${keys}/${key.id}`, { name: 'x' });
    const { name, public_key } = key;
    const again = await atoll.api.expect(201, 'POST', keys, { name, public_key });
    expect(again.ssh_key.fingerprint).toBe(key.fingerprint);
  });

  it('is in an account once, whatever its name and comment', async () => {
    const { public_key } = await add();
    const [type, blob] = public_key.split(' ');
    const answers = await Promise.all(
      ['a', 'b'].map((name) =>
        atoll.api.call('POST', keys, { name, public_key: `${type} ${blob} ${name}@x` }),
      ),
    );
    for (const { status, body } of answers) {
      expect(status).toBe(422);
      expect(body.message).toBe('SSH Key is already in use on your account');
    }
  });

  it('sent twice at once is added once', async () => {
    const body = { name: 'k', public_key: publicKey() };
    const answers = await Promise.all([1, 2, 3].map(() => atoll.api.call('POST', keys, body)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(2);
  });

  it("of another team is not there, and the same key may be in both teams' accounts", async () => {
    const key = await add();
    const { api } = await atoll.newTeam();
    for (const identifier of [key.id, key.fingerprint]) {
      await api.expect(404, 'GET', `${keys}/${identifier}`);
      await api.expect(404, 'PUT', `${keys}/${identifier}`, { name: 'mine' });
      await api.expect(404, 'DELETE', `${keys}/${identifier}`);
    }
    expect((await api.expect(200, 'GET', keys)).meta.total).toBe(0);
    const { name, public_key } = key;
    const own = (await api.expect(201, 'POST', keys, { name, public_key })).ssh_key;
    await api.expect(204, 'DELETE', `${keys}/${own.fingerprint}`);
    await atoll.api.expect(200, 'GET', `${keys}/${key.fingerprint}`);
  });
});

it('SSH keys are listed in pages, oldest first', async () => {
  const { api } = await atoll.newTeam();
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await api.expect(201, 'POST', keys, { name, public_key: publicKey() });
  const pages = await Promise.all(
    [1, 2, 3].map((page) => api.expect(200, 'GET', `${keys}?per_page=2&page=${page}`)),
  );
  expect(pages.flatMap((page) => page.ssh_keys.map((key: { name: string }) => key.name))).toEqual(names);
  expect(pages.map((page) => page.meta.total)).toEqual([5, 5, 5]);
  expect(pages[1].links.pages.last).toBe(`http://localhost:80${keys}?per_page=2&page=3`);
});
