/**
 * Writes published.json: what DigitalOcean's published API v2 document says of the answers of the operations that are
 * built, as bare facts (statuses, fields, types, enums, what is required). Answers are held against it in every test.
 *
 * The document is github.com/digitalocean/openapi (Apache-2.0), bundled into one JSON file. To be run again when an
 * operation was built, or the document has changed:
 *
 *     node test/support/published.generate.ts path/to/openapi.json
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtOperations } from './operations.ts';
import type { Facts, Schema } from './published.ts';

type Json = Record<string, unknown>;
interface Document {
  paths: Record<string, Record<string, { operationId?: string; responses?: Record<string, unknown> }>>;
  components: { schemas: Record<string, Json> };
}

const [source] = process.argv.slice(2);
if (!source) throw new Error('Usage: node test/support/published.generate.ts path/to/openapi.json');
const document = JSON.parse(readFileSync(source, 'utf8')) as Document;

const facts: Facts = { operations: {}, schemas: {} };
const built = new Set(builtOperations().map(({ id }) => id));
for (const methods of Object.values(document.paths)) {
  for (const { operationId, responses = {} } of Object.values(methods)) {
    if (!operationId || !built.has(operationId)) continue;
    const answers = Object.entries(responses).filter(([status]) => /^2\d\d$/.test(status));
    facts.operations[operationId] = Object.fromEntries(
      answers.map(([status, response]) => [status, bodyOf(response)]),
    );
  }
}
const lines = (entries: object) =>
  Object.entries(entries)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join(',\n');
writeFileSync(
  join(import.meta.dirname, 'published.json'),
  `{"operations":{\n${lines(facts.operations)}\n},\n"schemas":{\n${lines(facts.schemas)}\n}}\n`,
);
console.log(
  `${Object.keys(facts.operations).length} operations, ${Object.keys(facts.schemas).length} schemas`,
);

/** The schema of a response's JSON body; null where it has none. */
function bodyOf(response: unknown): Schema | null {
  const { content } = resolve(response) as { content?: Record<string, { schema?: unknown }> };
  const schema = content?.['application/json']?.schema;
  return schema === undefined ? null : factsOf(schema);
}

function resolve(value: unknown): unknown {
  const reference = (value as { $ref?: string }).$ref;
  return reference === undefined ? value : resolve(at(reference));
}

/** What a reference names: `#/components/schemas/droplet`, or a place within such a thing. */
function at(reference: string): unknown {
  const names = reference
    .slice(2)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  return names.reduce<unknown>((node, name) => (node as Json)[name], document);
}

/** A schema without what is said for people. What it refers to becomes a schema of its own. */
function factsOf(value: unknown): Schema {
  const schema = value as Json;
  if (typeof schema.$ref === 'string') return { $ref: nameOf(schema.$ref) };
  const facts: Schema = {};
  for (const key of ['type', 'enum', 'required', 'pattern', 'minimum', 'maximum', 'minLength', 'maxLength'])
    if (schema[key] !== undefined) facts[key] = schema[key];
  for (const key of ['minItems', 'maxItems', 'nullable'])
    if (schema[key] !== undefined) facts[key] = schema[key];
  for (const key of ['allOf', 'anyOf', 'oneOf'])
    if (Array.isArray(schema[key])) facts[key] = schema[key].map(factsOf);
  for (const key of ['items', 'not']) if (schema[key] !== undefined) facts[key] = factsOf(schema[key]);
  const { properties, additionalProperties: more } = schema;
  if (properties) {
    facts.properties = Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [name, factsOf(property)]),
    );
  }
  if (more !== undefined) facts.additionalProperties = typeof more === 'boolean' ? more : factsOf(more);
  return facts;
}

/** The name by which published.json has what a reference names, which is put there. */
function nameOf(reference: string): string {
  const name = reference.slice('#/components/'.length).replace(/^schemas\//, '');
  if (facts.schemas[name] === undefined) {
    facts.schemas[name] = {};
    facts.schemas[name] = factsOf(at(reference));
  }
  return name;
}
