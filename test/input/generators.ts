/** Requests out of thin air: from an operation's own schemas, from those spoiled, and from nothing at all. */
import fc, { type Arbitrary } from 'fast-check';
import type { Operation } from '../../src/http/operation.ts';

/** The part of JSON Schema that the operations' inputs use. */
interface Schema {
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
}

/** What means something to the API, so that requests get further than the first check. */
export interface Words {
  texts: readonly string[];
  numbers: readonly number[];
  /** Good values by the name of a field or parameter. */
  byName: Readonly<Record<string, readonly unknown[]>>;
  /** What `type` may be in a request for an action, by what the operation's id begins with. */
  actions: Readonly<Record<string, readonly string[]>>;
}

const strange = [
  '',
  ' ',
  'null',
  '0',
  '-1',
  '1e999',
  '9'.repeat(40),
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'a\0b',
  '\ud800',
  '\udfff\ud800',
  '\u202e\ufeff',
  '%',
  '%00',
  "'; drop table droplets; --",
  '${7*7}',
  '../../etc/passwd',
  'a'.repeat(256),
  'é'.repeat(5000),
];

const strangeNumbers = [0, -0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 2 ** 63, 1e21, 1e308, Number.MIN_VALUE];

const anyText = (words: Words): Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...words.texts) },
    { weight: 2, arbitrary: fc.constantFrom(...strange) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
  );

const anyNumber = (words: Words): Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...words.numbers) },
    { weight: 1, arbitrary: fc.constantFrom(...strangeNumbers) },
    { weight: 1, arbitrary: fc.maxSafeInteger() },
  );

/** Any JSON, of any depth. */
const anyJson = (words: Words): Arbitrary<unknown> =>
  fc.oneof(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), anyText(words), anyNumber(words));

/** Mostly a value that is good for this name, where one is known. */
function named(name: string, other: Arbitrary<unknown>, { byName }: Words): Arbitrary<unknown> {
  const good = Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (!good) return other;
  return fc.oneof({ weight: 19, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: other });
}

/** A value of a schema; `spoiled` of ten of its parts are of any other kind. */
function valueOf(schema: Schema, words: Words, spoiled: number): Arbitrary<unknown> {
  const good = goodValueOf(schema, words, spoiled);
  if (spoiled === 0) return good;
  return fc.oneof({ weight: 10 - spoiled, arbitrary: good }, { weight: spoiled, arbitrary: anyJson(words) });
}

function goodValueOf(schema: Schema, words: Words, spoiled: number): Arbitrary<unknown> {
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((branch) => valueOf(branch, words, spoiled)));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'object':
      return objectOf(schema, words, spoiled);
    case 'array':
      return fc.array(valueOf(schema.items ?? {}, words, spoiled), { maxLength: 4 });
    case 'string':
      return anyText(words);
    case 'integer':
    case 'number':
      return anyNumber(words);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case undefined:
    default:
      return anyJson(words);
  }
}

function objectOf(schema: Schema, words: Words, spoiled: number): Arbitrary<unknown> {
  const fields = Object.entries(schema.properties ?? {});
  const model = Object.fromEntries(
    fields.map(([name, field]) => [name, named(name, valueOf(field, words, spoiled), words)]),
  );
  // What is optional is left out half of the time; with `spoiled`, so is what is needed.
  return fc.record(model, { requiredKeys: spoiled === 0 ? (schema.required ?? []) : [] });
}

export interface Sent {
  operation: Pick<Operation, 'id' | 'method' | 'path'>;
  url: string;
  headers: Record<string, string>;
  /** The body's text; undefined: none is sent. */
  payload: string | undefined;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** Percent-encodes what can be; halves of surrogate pairs cannot and are replaced. */
const encode = (value: string): string => encodeURIComponent(value.toWellFormed());

function anyQuery(schema: Schema | undefined, words: Words): Arbitrary<string> {
  const names = Object.keys(schema?.properties ?? {});
  const name = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...(names.length > 0 ? names : ['page'])) },
    { weight: 1, arbitrary: anyText(words) },
  );
  const other = fc.oneof(anyText(words), anyNumber(words).map(String));
  const pair = name.chain((key) =>
    named(key, other, words).map((given) => `${encode(key)}=${encode(text(given))}`),
  );
  const raw = fc.constantFrom(
    '',
    '&&',
    '=',
    '%',
    '%ff=%00',
    'page[]=1',
    'page=1&page=2',
    '?',
    '__proto__[x]=1',
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.array(pair, { maxLength: 3 }).map((pairs) => pairs.join('&')) },
    { weight: 1, arbitrary: raw },
  );
}

const json = (value: Arbitrary<unknown>) => value.map((given) => JSON.stringify(given));

function anyPayload(schema: Schema | undefined, words: Words): Arbitrary<string | undefined> {
  const raw = fc.constantFrom(
    '',
    'null',
    '{',
    '[]',
    '{"a":1}}',
    '{"__proto__":{}}',
    '"\\ud800"',
    '\0',
    'a=b',
  );
  const none = fc.constant(undefined);
  if (!schema) return fc.oneof({ weight: 3, arbitrary: none }, json(anyJson(words)), raw);
  return fc.oneof(
    { weight: 4, arbitrary: json(valueOf(schema, words, 0)) },
    { weight: 4, arbitrary: json(objectOf(schema, words, 2)) },
    { weight: 1, arbitrary: json(anyJson(words)) },
    { weight: 1, arbitrary: raw },
    { weight: 1, arbitrary: none },
  );
}

const anyHeaders: Arbitrary<Record<string, string>> = fc.record(
  {
    'content-type': fc.constantFrom(
      'application/json',
      'application/json; charset=latin1',
      'application/x-www-form-urlencoded',
      'text/html',
      '',
      'x',
      'multipart/form-data; boundary=x',
    ),
    accept: fc.constantFrom(
      '*/*',
      'application/json',
      'application/vnd.digitalocean.reserveip+json',
      'text/html',
      '',
    ),
    'accept-encoding': fc.constantFrom('gzip', 'identity;q=0', ''),
    origin: fc.constantFrom('https://example.com', 'null', ''),
    'accept-version': fc.constantFrom('1.x', '99'),
    'x-dangerous': fc.constantFrom('true', 'true', 'false', ''),
    'x-request-id': fc.constantFrom('mine', '../..', ''),
    'x-http-method-override': fc.constantFrom('DELETE', 'PATCH'),
    'if-none-match': fc.constant('*'),
    range: fc.constant('bytes=0-1'),
    expect: fc.constant('x'),
  },
  { requiredKeys: [] },
);

/** A request to one operation. */
export function requestTo(
  operation: Pick<Operation, 'id' | 'method' | 'path' | 'params' | 'query' | 'body'>,
  all: Words,
): Arbitrary<Sent> {
  const type = all.actions[operation.id.split('_')[0] ?? ''];
  const words = type ? { ...all, byName: { ...all.byName, type } } : all;
  const names = [...operation.path.matchAll(/\{([^}]*)\}/g)].map(([, name = '']) => name);
  const other = fc.oneof(anyNumber(words), anyText(words));
  const values = fc.tuple(...names.map((name) => named(name, other, words).map(text)));
  return fc
    .tuple(values, anyQuery(operation.query, words), anyHeaders, anyPayload(operation.body, words))
    .map(([params, query, headers, payload]) => {
      const rest = [...params];
      const path = operation.path.replace(/\{[^}]*\}/g, () => encode(rest.shift() ?? '') || '1');
      return { operation, url: query ? `${path}?${query}` : path, headers, payload };
    });
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const;

/** A request to a path that nothing is known of, by any method. */
export function requestToNowhere(words: Words): Arbitrary<Sent & { method: (typeof methods)[number] }> {
  const segment = anyText(words).map(encode);
  const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/v2/nowhere/${segments.join('/')}`);
  const raw = fc.constantFrom(
    '/v2/%',
    '/v2/%ff',
    '/v2//',
    '/v2/nowhere?%',
    '/v2/..;/x',
    '/%2e%2e/v2',
    '//',
    '/v2/nowhere#x',
  );
  return fc
    .tuple(
      fc.oneof({ weight: 4, arbitrary: path }, raw),
      fc.constantFrom(...methods),
      anyHeaders,
      anyPayload(undefined, words),
    )
    .map(([url, method, headers, payload]) => ({
      operation: { id: 'nowhere', method: 'GET', path: url },
      method,
      url,
      headers,
      payload,
    }));
}
