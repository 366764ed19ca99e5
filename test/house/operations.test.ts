/** What is built keeps to what is published: names, paths and scopes. */
import { describe, expect, it } from 'vitest';
import { readKnownOperations } from '../../src/http/known-operations.ts';
import { builtOperations } from '../support/operations.ts';
import { deviations, publishedApi } from '../support/published.ts';

const built = builtOperations();
const published = publishedApi();
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

  it('answers with published statuses, and with JSON where these have it', () => {
    const { id, alternatives = [] } = operation;
    const answers = Object.hasOwn(beyond, id) ? { 200: true } : published.answers(id);
    expect(answers, `test/support/published.json lacks ${id}: see published.generate.ts`).toBeDefined();
    for (const { status, response } of [operation, ...alternatives])
      expect(answers).toHaveProperty(String(status), response !== undefined);
  });
});

describe('an answer differs from what is published', () => {
  const action = {
    id: 1,
    status: 'completed',
    type: 'create',
    started_at: '2026-01-01T00:00:00Z',
    completed_at: null,
    resource_id: 1,
    resource_type: 'droplet',
    region_slug: null,
  };
  const list = { actions: [action], links: {}, meta: { total: 1 } };

  it('not where it is so', () => {
    expect(published.problem('actions_get', 200, { action })).toBeUndefined();
    expect(published.problem('actions_list', 200, list)).toBeUndefined();
    expect(published.problem('droplets_destroy', 204, undefined)).toBeUndefined();
    // Nothing is said about it.
    expect(published.problem('oauth_token_info', 200, {})).toBeUndefined();
  });

  it.each<[what: string, operationId: string, status: number, body: unknown, problem: RegExp]>([
    ['in its status', 'actions_get', 202, { action }, /no published status: 200$/],
    ['by a body', 'droplets_destroy', 204, {}, /has a body/],
    ['by having no body', 'actions_get', 200, undefined, /has no body/],
    ['in a type', 'actions_get', 200, { action: { ...action, id: '1' } }, /action\/id must be integer/],
    ['in a value', 'actions_get', 200, { action: { ...action, status: 'done' } }, /allowed values/],
    [
      'deep in a list',
      'actions_list',
      200,
      { ...list, actions: [{ ...action, type: 1 }] },
      /actions\/0\/type/,
    ],
    ['by lacking what is required', 'actions_list', 200, { actions: [], links: {} }, /'meta'/],
  ])('%s', (_what, operationId, status, body, problem) => {
    expect(published.problem(operationId, status, body)).toMatch(problem);
  });

  it('on purpose only for a reason', () => {
    for (const { because } of deviations) expect(because).toMatch(/\w+ \w+/);
  });
});

it('no operation is built twice', () => {
  const routes = built.map(({ method, path }) => `${method} ${path}`);
  expect(routes).toHaveLength(new Set(routes).size);
  expect(built).toHaveLength(new Set(built.map(({ id }) => id)).size);
});
