/** What is built keeps to what is published: names, paths and scopes. */
import { describe, expect, it } from 'vitest';
import { readKnownOperations } from '../../src/http/known-operations.ts';
import { builtOperations } from '../support/operations.ts';

const built = builtOperations();
const known = new Map(readKnownOperations().map((operation) => [operation.id, operation]));

/** Built, but not published, each with its reason. */
const beyond: Record<string, string> = {
  oauth_token_info: '`doctl auth init --token-validation-server` asks for it',
};

describe.each(built)('$id', (operation) => {
  it('is as published', () => {
    const { id, method, path, scopes } = operation;
    const { tag: _, ...published } = known.get(id) ?? { tag: '' };
    expect(Object.hasOwn(beyond, id) ? {} : { id, method, path, scopes }).toEqual(published);
  });

  it('has a body unless it is 204, or accepted without saying more', () => {
    const silent = operation.response === undefined;
    const maySaySo = operation.status === 202 || operation.id === 'images_post_account_transfer_accept';
    expect(silent).toBe(operation.status === 204 || (maySaySo && silent));
  });
});

it('no operation is built twice', () => {
  const routes = built.map(({ method, path }) => `${method} ${path}`);
  expect(routes).toHaveLength(new Set(routes).size);
  expect(built).toHaveLength(new Set(built.map(({ id }) => id)).size);
});
