/**
 * Checks answers against what DigitalOcean's published API document says of them, which published.json has as bare
 * facts: the oracle for statuses and shapes of answers. published.generate.ts says where they come from.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';

/** A JSON Schema as OpenAPI 3.0 writes it; a `$ref` is the name of another. */
export type Schema = Record<string, unknown>;

export interface Facts {
  /** By operation id and status of success: the body's schema; null where there is no body. */
  operations: Record<string, Record<string, Schema | null>>;
  schemas: Record<string, Schema>;
}

export interface Published {
  /** What is wrong with an answer (`body` is undefined where there is none); undefined where it is as published. */
  problem(operationId: string, status: number, body: unknown): string | undefined;
  /** Statuses of success and whether a body comes with each; undefined for what is not published. */
  answers(operationId: string): Record<string, boolean> | undefined;
}

/** What is published and is not so: by the way to it in published.json, what stands there instead, and the reason. */
export const deviations: { at: string[]; instead: unknown; because: string }[] = [];

/** Reads the facts. */
export function publishedApi(): Published {
  const { operations, schemas } = JSON.parse(
    readFileSync(join(import.meta.dirname, 'published.json'), 'utf8'),
    nullable,
  ) as Facts;
  for (const { at, instead } of deviations) replace({ operations, schemas }, at, instead);
  const ajv = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false, allErrors: false });
  for (const [name, schema] of Object.entries(schemas)) ajv.addSchema({ $id: name, ...schema });
  const compiled = new Map<string, ValidateFunction>();

  return {
    answers(operationId) {
      const answers = operations[operationId];
      return (
        answers &&
        Object.fromEntries(Object.entries(answers).map(([status, schema]) => [status, schema !== null]))
      );
    },
    problem(operationId, status, body) {
      const answers = operations[operationId];
      if (!answers) return undefined;
      const schema = answers[status];
      const key = `${operationId} ${status}`;
      if (schema === undefined) return `${key} is no published status: ${Object.keys(answers).join(', ')}`;
      if (schema === null || body === undefined) {
        if (schema === null && body === undefined) return undefined;
        return `${key} has ${body === undefined ? 'no' : 'a'} body`;
      }
      const validate = compiled.get(key) ?? ajv.compile(schema);
      compiled.set(key, validate);
      return validate(body) ? undefined : `${key}: ${ajv.errorsText(validate.errors)}`;
    },
  };
}

/** `nullable` beside a `$ref` or without a `type` means nothing to a JSON Schema validator: say it with anyOf. */
function nullable(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const schema = value as Record<string, unknown>;
  if (schema.nullable !== true || schema.type !== undefined) return value;
  const { nullable: _, ...rest } = schema;
  return { anyOf: [rest, { type: 'null' }] };
}

function replace(facts: Facts, at: string[], instead: unknown): void {
  const way = at.slice(0, -1);
  const node = way.reduce<unknown>((each, name) => (each as Schema | undefined)?.[name], facts);
  const last = at.at(-1) ?? '';
  if (typeof node !== 'object' || node === null || !Object.hasOwn(node, last))
    throw new Error(`There is no ${at.join('.')} in published.json to deviate from.`);
  (node as Schema)[last] = instead;
}
