/** Every field of every operation, wrong: a 4xx that names the field, and nothing is made. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/http/operation.ts';
import { builtOperations, pathOf } from '../support/operations.ts';
import { type Lab, openLab } from './fixtures.ts';
import { type Refused, refusalOf } from './refusal.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab.close());
const refusal = (...request: Refused) => refusalOf(lab, ...request);

interface Node {
  type?: string;
  enum?: unknown[];
  anyOf?: Node[];
  properties?: Record<string, Node>;
  required?: string[];
  items?: Node;
}

const operations = builtOperations();
const goodOf = ({ id }: Operation) => lab.good[id] ?? {};
const urlOf = (operation: Operation, query = goodOf(operation).query) =>
  pathOf(operation, goodOf(operation).params) + (query ? `?${query}` : '');

/** The JSON types a schema takes; `undefined` for one that takes anything. */
function typesOf(node: Node): Set<string> | undefined {
  if (node.anyOf) return new Set(node.anyOf.flatMap((branch) => [...(typesOf(branch) ?? [])]));
  if (node.enum) return new Set(node.enum.map((value) => typeof value));
  return node.type ? new Set([node.type]) : undefined;
}

/** One value of each JSON type, none of them "empty", which would be taken for an absent field. */
const samples: [type: string, value: unknown][] = [
  ['string', '\u2603'],
  ['number', 1.5],
  ['boolean', true],
  ['array', [[]]],
  ['object', { a: 1 }],
];

/** Wrong values for a field, in words and as they are. */
function wrongValues(node: Node, required: boolean): [string, unknown][] {
  const types = typesOf(node);
  if (!types) return [];
  const wrong: [string, unknown][] = samples.filter(([type]) => !types.has(type));
  if (types.has('integer')) {
    wrong.push(['an integer beyond 2^53', 2 ** 60], ['a huge number', 1e308]);
  }
  if (types.has('string')) {
    wrong.push(['a NUL', 'a\0b'], ['half a surrogate pair', 'a\ud800']);
  }
  if (node.enum) wrong.push(['none of its values', 'constructor']);
  if (required) wrong.push(['null', null], ['absent', undefined]);
  return wrong;
}

const withBody = operations.filter(({ body }) => body !== undefined);

describe.each(withBody)('the body of $id', (operation) => {
  const { properties = {}, required = [] } = operation.body as Node;

  it('has a good example', async () => {
    expect(lab.good[operation.id]?.body, 'add one to fixtures.ts').toBeDefined();
  });

  it.each(Object.entries(properties))('has a field %s', async (field, node) => {
    for (const [what, value] of wrongValues(node, required.includes(field))) {
      const body = { ...goodOf(operation).body, [field]: value };
      const message = await refusal(422, operation.method, urlOf(operation), body);
      expect([what, message]).toEqual([what, expect.stringMatching(new RegExp(`\\b${field}\\b`))]);
    }
  });

  it.each([
    ['no JSON', '{"name":'],
    ['text', 'name=web'],
    ['a prototype', '{"__proto__":{"name":"web"}}'],
    ['two values', '{}{}'],
    ['a comment', '{/**/}'],
    ['a byte order mark alone', '\ufeff'],
  ])('is no %s', async (_what, body) => {
    // No body at all is fine where nothing is needed.
    if (body === '\ufeff' && required.length === 0) return;
    const status = body === '\ufeff' ? 422 : 400;
    await refusal(status, operation.method, urlOf(operation), body);
  });

  it('is JSON in UTF-8, as it is', async () => {
    const body = goodOf(operation).body ?? {};
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const text = JSON.stringify({ ...body, other: 'é' });
    const cases = [
      [415, 'a=b', form, /is not JSON, but form-encoded .* Send JSON/],
      [415, gzipSync(text), { 'content-encoding': 'gzip' }, /is compressed \(content-encoding: gzip\)/],
      [400, Buffer.from(text, 'latin1'), {}, /is not valid UTF-8\. Send JSON/],
    ] as const;
    for (const [status, sent, headers, message] of cases)
      expect(await refusal(status, operation.method, urlOf(operation), sent, headers)).toMatch(message);
  });

  it('is an object', async () => {
    for (const body of ['[]', '"a"', '1', 'true', '[[1]]', '1e999']) {
      const message = await refusal(422, operation.method, urlOf(operation), body);
      expect(message).toBe('The request body must be a JSON object.');
    }
  });

  it('is not larger than the API takes', async () => {
    const { bodyLimit = 1024 * 1024 } = operation;
    await refusal(413, operation.method, urlOf(operation), { name: 'a'.repeat(bodyLimit) });
  });

  it('is not too deep', async () => {
    const [field = ''] = Object.keys(properties);
    const deep = `${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}`;
    await refusal(422, operation.method, urlOf(operation), `{"${field}":${deep}}`);
  });
});

const withQuery = operations.filter(({ query }) => query !== undefined);

describe.each(withQuery)('the query of $id', (operation) => {
  const { properties = {} } = operation.query as Node;

  it.each(Object.entries(properties))('has a parameter %s', async (name, node) => {
    const wrong = [
      ...(node.type === 'integer' ? ['-1', 'abc', '1.5', '1e3', '9'.repeat(30), '0x1', 'true'] : []),
      ...(node.type === 'boolean' ? ['yes', '2'] : []),
      ...(node.enum ? ['constructor', 'DROPLETS'] : []),
      '%00',
    ];
    for (const value of wrong) {
      const body = goodOf(operation).body;
      const message = await refusal(422, operation.method, urlOf(operation, `${name}=${value}`), body);
      expect([value, message]).toEqual([value, expect.stringMatching(new RegExp(`^${name} `))]);
    }
  });
});

const withParams = operations.filter(({ params }) => params !== undefined);
const noIds = ['0', '-1', '1.5', '1e3', 'x', '9'.repeat(30), '%00', '%ff', '..%2F..', "'", '__proto__', '☃'];

/** A tag that is not there is made when it is put on something: these are good names for one. */
const isGoodName = ({ id }: Operation, name: string): boolean =>
  id === 'tags_assign_resources' && /^[\w:-]+$/.test(name);

/** As above, but this cannot be a tag's name. */
const isBadName = ({ id }: Operation, name: string): boolean =>
  id === 'tags_assign_resources' && !['%00', '%ff'].includes(name);

describe.each(withParams)('the path of $id', (operation) => {
  it('names something', async () => {
    const { params = [], body } = goodOf(operation);
    expect(params, 'add a good example to fixtures.ts').not.toEqual([]);
    for (const index of params.keys()) {
      for (const id of noIds.filter((name) => !isGoodName(operation, name))) {
        // The bad ones are encoded already.
        const values = params.map((value, at) => (at === index ? id : encodeURIComponent(value)));
        const url = operation.path.replace(/\{[^}]*\}/g, () => values.shift() ?? '');
        const headers = { 'x-dangerous': 'true' };
        await refusal(isBadName(operation, id) ? 422 : 404, operation.method, url, body, headers);
      }
    }
  });
});

const lists = withQuery.filter(({ query }) => Object.hasOwn((query as Node).properties ?? {}, 'page'));

it.each(lists)('$id has a last page, however far away', async (operation) => {
  for (const query of ['page=9007199254740991', 'page=9007199254740991&per_page=9007199254740991']) {
    const { status, body } = await lab.atoll.api.call('GET', urlOf(operation, query));
    expect(status).toBe(200);
    expect(body.links.pages).not.toHaveProperty('next');
  }
});
