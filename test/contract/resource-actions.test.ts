/** The operations of a resource's actions, as a product gets them: of a resource made up for the test. */
import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../../src/base/caller.ts';
import { actionHistory, beginOperation } from '../../src/cloud/actions/index.ts';
import { beginAction } from '../../src/control/actions.ts';
import { notFound } from '../../src/http/errors.ts';
import type { Operation, Request } from '../../src/http/operation.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const at = new Date('2026-01-01T00:00:00Z');
const gone = '13';

let database: TestDatabase;
let caller: Caller;
let stranger: Caller;
beforeAll(async () => {
  database = await testDatabase(2);
  const rows = await database.store.db
    .insertInto('teams')
    .values([
      { name: 'one', created_at: at },
      { name: 'other', created_at: at },
    ])
    .returning('id')
    .execute();
  const [one, other] = rows.map(({ id }) => ({ teamId: id, userId: id, tokenId: id, scopes: ['*'] }));
  if (!one || !other) throw new Error('no teams');
  [caller, stranger] = [one, other];
});
afterAll(() => database?.drop());

const begin = (resourceType: string, resourceId: string, type = 'fly') =>
  beginAction(database.store.db, { caller, type, resourceType, resourceId, region: 'nyc3', at });

function kites(): Record<string, Operation> {
  const params = Type.Object({ kite_id: Type.String() });
  const common = { path: '/v2/kites/{kite_id}', params };
  const operations = [
    beginOperation({
      ...common,
      id: 'kiteActions_post',
      path: `${common.path}/actions`,
      summary: 'Begin an action on a kite',
      scopes: ['kite:update'],
      body: Type.Object({ type: Type.String() }),
      status: 202,
      act: (request) => begin('kite', request.params.kite_id, request.body.type),
    }),
    ...actionHistory({
      ...common,
      store: database.store,
      ids: 'kiteActions',
      scopes: ['kite:read'],
      name: 'a kite',
      types: ['kite', 'dragon'],
      resourceId: ({ kite_id }) => kite_id,
      async visible({ kite_id }) {
        if (kite_id === gone) throw notFound();
      },
    }),
  ];
  return Object.fromEntries(operations.map((operation) => [operation.id, operation]));
}

const ask = async (id: string, rest: Partial<Request>) => {
  const answer = await kites()[id]?.handler({
    caller,
    params: {},
    query: {},
    body: {},
    headers: {},
    id: 'request',
    origin: 'http://localhost',
    url: '/',
    ...rest,
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test looks for what is there
  return answer as { action?: unknown; actions?: { id: number; type: string }[]; meta?: unknown };
};

it('they are three, with a status, scopes and a summary of their own', () => {
  const described = Object.values(kites()).map(({ id, method, path, summary, scopes, status }) =>
    [id, method, path, summary, scopes.join(), status].join(' | '),
  );
  expect(described).toEqual([
    'kiteActions_post | POST | /v2/kites/{kite_id}/actions | Begin an action on a kite | kite:update | 202',
    'kiteActions_list | GET | /v2/kites/{kite_id}/actions | List the actions of a kite | kite:read | 200',
    'kiteActions_get | GET | /v2/kites/{kite_id}/actions/{action_id} | Get an action of a kite | kite:read | 200',
  ]);
});

describe('the actions of a resource', () => {
  it('are those of all its types, newest first, and of no other resource', async () => {
    const posted = await ask('kiteActions_post', { params: { kite_id: '1' }, body: { type: 'land' } });
    expect(posted.action).toMatchObject({ type: 'land', status: 'in-progress', resource_id: 1 });
    await begin('dragon', '1', 'roar');
    await begin('kite', '2');
    await begin('plane', '1');
    const { actions, meta } = await ask('kiteActions_list', { params: { kite_id: '1' } });
    expect(actions?.map(({ type }) => type)).toEqual(['roar', 'land']);
    expect(meta).toEqual({ total: 2 });
    const page = await ask('kiteActions_list', { params: { kite_id: '1' }, query: { page: 2, per_page: 1 } });
    expect(page.actions?.map(({ type }) => type)).toEqual(['land']);
    const params = { kite_id: '1', action_id: actions?.[0]?.id };
    expect((await ask('kiteActions_get', { params })).action).toEqual(actions?.[0]);
  });

  it('are found one by one when it is gone, though there is no list of them', async () => {
    const action = await begin('kite', gone);
    await expect(ask('kiteActions_list', { params: { kite_id: gone } })).rejects.toMatchObject({
      status: 404,
    });
    const params = { kite_id: gone, action_id: action.id };
    expect((await ask('kiteActions_get', { params })).action).toMatchObject({ id: action.id });
  });

  it('are not found by another team, nor under another resource', async () => {
    const { id } = await begin('kite', '3');
    const params = { kite_id: '3', action_id: id };
    await expect(ask('kiteActions_get', { params, caller: stranger })).rejects.toMatchObject({ status: 404 });
    await expect(ask('kiteActions_get', { params: { ...params, kite_id: '4' } })).rejects.toMatchObject({
      status: 404,
    });
    const listed = await ask('kiteActions_list', { params: { kite_id: '3' }, caller: stranger });
    expect(listed.actions).toEqual([]);
  });
});
