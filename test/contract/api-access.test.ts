/** Who may do what: of every operation, by its place in the list of what is built. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { knownScopes, readKnownOperations } from '../../src/http/known-operations.ts';
import { apiClient } from '../support/api-client.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { builtOperations, pathOf } from '../support/operations.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const allScopes = knownScopes(readKnownOperations());
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe.each(builtOperations())('$id', (operation) => {
  const call = (client: TestAtoll['api']) => client.call(operation.method, pathOf(operation));

  it('needs a token', async () => {
    for (const token of [undefined, 'x', `dop_v1_${'0'.repeat(64)}`, `${atoll.team.token}0`]) {
      const { status, body, headers } = await call(apiClient(() => atoll.plane.server, token));
      expect(status).toBe(401);
      expect(body).toEqual({
        id: 'unauthorized',
        message: 'Unable to authenticate you.',
        request_id: headers['x-request-id'],
      });
      expect(body.request_id).toMatch(uuid);
    }
  });

  it.each(operation.scopes)('needs the scope %s', async (missing) => {
    const others = [...allScopes].filter((scope) => scope !== missing);
    const { status, body } = await call(await atoll.clientWith(others));
    expect(status).toBe(403);
    expect(body).toMatchObject({
      id: 'forbidden',
      message: `This token lacks the scope ${missing}, which is needed here.`,
    });
  });
});

describe('a token', () => {
  it('is asked for before it is told what there is', async () => {
    const nobody = apiClient(() => atoll.plane.server, undefined);
    await nobody.expect(401, 'GET', '/v2/nothing');
    await nobody.expect(401, 'GET', '/v2/kubernetes/clusters');
    await nobody.expect(401, 'PATCH', '/v2/droplets');
    await nobody.expect(401, 'POST', '/v2/droplets', '{broken');
  });

  it('is read whatever the case of its scheme, and nowhere else', async () => {
    const nobody = apiClient(() => atoll.plane.server, undefined);
    const { token } = atoll.team;
    const as = (authorization: string) => nobody.call('GET', '/v2/account', undefined, { authorization });
    expect((await as(`bearer ${token}`)).status).toBe(200);
    expect((await as(`Bearer  ${token}`)).status).toBe(200);
    for (const wrong of [
      token,
      `Basic ${token}`,
      `Bearer ${token} x`,
      'Bearer',
      `Bearer ${token},${token}`,
    ]) {
      expect((await as(wrong)).status).toBe(401);
    }
    await nobody.expect(401, 'GET', `/v2/account?access_token=${token}`);
  });

  it('may tag a droplet only if it may change droplets', async () => {
    await atoll.api.expect(201, 'POST', '/v2/tags', { name: 'scoped' });
    const tagger = await atoll.clientWith(['tag:create', 'tag:delete']);
    const resources = [{ resource_id: '1', resource_type: 'droplet' }];
    for (const method of ['POST', 'DELETE'] as const) {
      const refused = await tagger.expect(403, method, '/v2/tags/scoped/resources', { resources });
      expect(refused.message).toContain('droplet:update');
    }
  });

  it('tells what is open to all', async () => {
    const nobody = apiClient(() => atoll.plane.server, undefined);
    expect(await nobody.expect(200, 'GET', '/healthz')).toEqual({ status: 'ok' });
    const { paths } = await nobody.expect(200, 'GET', '/v2/openapi.json');
    for (const { path, method } of builtOperations()) {
      expect(paths[path]).toHaveProperty(method.toLowerCase());
    }
  });
});

it('a client that asks too often is told when to come again', async () => {
  const limited = await startAtoll({ rateLimit: { perHour: 3, perMinute: 100 } });
  try {
    for (const remaining of ['2', '1', '0']) {
      const { status, headers } = await limited.api.call('GET', '/v2/account');
      expect(status).toBe(200);
      expect(String(headers['ratelimit-limit'])).toBe('3');
      expect(String(headers['ratelimit-remaining'])).toBe(remaining);
      expect(String(headers['ratelimit-reset'])).toMatch(/^\d{10}$/);
    }
    const { status, headers, body } = await limited.api.call('GET', '/v2/account');
    expect(status).toBe(429);
    expect(body).toMatchObject({ id: 'too_many_requests', message: 'API rate limit exceeded.' });
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    const { api } = await limited.newTeam();
    await api.expect(200, 'GET', '/v2/account');
  } finally {
    await limited.close();
  }
});
