/**
 * Checks answers against DigitalOcean's published API document: the oracle for response shapes. The document is
 * not part of this repository; where it is absent the check is left out, and says so once.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';

const file = process.env.ATOLL_OPENAPI ?? join(import.meta.dirname, '../../../shared/wire/openapi.json');

interface Document {
  paths: Record<string, Record<string, { operationId?: string; responses?: Record<string, unknown> }>>;
  components: object;
}

export interface Published {
  /** What is wrong with an answer; undefined where it matches, or where nothing is said about it. */
  problem(operationId: string, status: number, body: unknown): string | undefined;
}

/** The published document as a checker, or undefined where it is absent. */
export function publishedApi(): Published | undefined {
  if (!existsSync(file)) {
    console.warn(
      `NOT CHECKED against the published API: there is no ${file} (set ATOLL_OPENAPI to its place).`,
    );
    return undefined;
  }
  const document = JSON.parse(readFileSync(file, 'utf8'), repair) as Document;
  const ajv = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false, allErrors: false });
  ajv.addSchema({ $id: 'published', components: document.components });
  const pointers = new Map<string, string>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (operation.operationId) pointers.set(operation.operationId, `${path} ${method}`);
    }
  }
  const compiled = new Map<string, ValidateFunction | undefined>();

  function validator(operationId: string, status: number): ValidateFunction | undefined {
    const key = `${operationId} ${status}`;
    if (!compiled.has(key)) {
      const [path = '', method = ''] = (pointers.get(operationId) ?? '').split(' ');
      const schema = schemaOf(document, document.paths[path]?.[method]?.responses?.[String(status)]);
      compiled.set(key, schema && ajv.compile(absolute(schema)));
    }
    return compiled.get(key);
  }

  return {
    problem(operationId, status, body) {
      if (!pointers.has(operationId)) return undefined;
      const validate = validator(operationId, status);
      if (!validate || validate(body)) return undefined;
      return `${operationId} ${status}: ${ajv.errorsText(validate.errors)}`;
    },
  };
}

/** `nullable` beside a `$ref` or without a `type` means nothing to a JSON Schema validator: say it with anyOf. */
function repair(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const schema = value as Record<string, unknown>;
  if (schema.nullable !== true || schema.type !== undefined) return value;
  const { nullable: _, ...rest } = schema;
  return { anyOf: [rest, { type: 'null' }] };
}

function schemaOf(document: Document, response: unknown): object | undefined {
  const resolved = resolve(document, response) as
    | { content?: Record<string, { schema?: object }> }
    | undefined;
  return resolved?.content?.['application/json']?.schema;
}

function resolve(document: Document, value: unknown): unknown {
  const reference = (value as { $ref?: string } | undefined)?.$ref;
  if (!reference) return value;
  const target = reference
    .slice(2)
    .split('/')
    .reduce<unknown>((node, part) => (node as Record<string, unknown>)?.[part], document);
  return resolve(document, target);
}

/** References made from the document's root hold inside of the schema that was added under `published`. */
const absolute = (schema: object): object =>
  JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"published#/')) as object;
