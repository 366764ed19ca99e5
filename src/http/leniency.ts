import type { TSchema } from 'typebox';

/**
 * What is done to a request's values before its schema sees them. The clients of DigitalOcean's API send an
 * optional field they have no value for as "", 0 or null (godo's structs without omitempty). Numbers and booleans
 * that come as text are read in coercion.ts.
 */

type Json = Record<string, unknown>;

interface Field {
  optional: boolean;
  /** The scalar type it has, where it has only one; `array` for lists. */
  type: string | undefined;
  acceptsNumber: boolean;
  /** Its "" and 0 are values: see `keepEmpty`. */
  keepsEmpty: boolean;
}

/** The top-level fields of an object schema, or of a union or intersection of such. */
export type Fields = ReadonlyMap<string, Field>;

export interface SchemaNode {
  type?: string | string[];
  properties?: Record<string, SchemaNode>;
  required?: string[];
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
  allOf?: SchemaNode[];
  [keyword: string]: unknown;
}

/** The schemas that a union or intersection is made of. */
export const branches = (node: SchemaNode): SchemaNode[] => [
  ...(node.anyOf ?? []),
  ...(node.oneOf ?? []),
  ...(node.allOf ?? []),
];

/**
 * For the options of a schema: "" and 0 are values of this optional field, not signs of its absence. Give it to
 * each optional text that a change can clear (a description), and to each optional number whose 0 differs from
 * its absence (the priority of an MX record, the smallest size of a node pool). Without it a client that sends
 * "" or 0 means "none given", since godo sends so what its caller left out. null is absence in any case.
 */
export const keepEmpty = { 'x-keep-empty': true } as const;

const keepsEmpty = (node: SchemaNode): boolean =>
  node['x-keep-empty'] === true || branches(node).some(keepsEmpty);

/** Reads the fields out of a schema, once per operation. */
export function fieldsOf(schema: TSchema): Fields {
  const fields = new Map<string, Field>();
  const collect = (node: SchemaNode) => {
    for (const [name, property] of Object.entries(node.properties ?? {})) {
      const optional = !node.required?.includes(name) && fields.get(name)?.optional !== false;
      const type = typeof property.type === 'string' ? property.type : undefined;
      fields.set(name, {
        optional,
        type,
        acceptsNumber: acceptsNumber(property),
        keepsEmpty: keepsEmpty(property),
      });
    }
    branches(node).forEach(collect);
  };
  collect(schema as SchemaNode);
  return fields;
}

function acceptsNumber(node: SchemaNode): boolean {
  const types = [node.type].flat();
  return types.includes('integer') || types.includes('number') || branches(node).some(acceptsNumber);
}

/**
 * Takes out the optional fields whose value says "none": null, and, unless the field keeps them, "" and 0 where a
 * number is wanted. Only the fields of the body itself: what is nested is read by its command.
 */
export function dropEmpty(value: Json, fields: Fields): Json {
  for (const [name, field] of fields) {
    if (!field.optional) continue;
    const given = value[name];
    const empty = !field.keepsEmpty && (given === '' || (given === 0 && field.acceptsNumber));
    if (empty || given === null) delete value[name];
  }
  return value;
}

/** A copy of a schema whose integers end at 2^53: beyond it JSON.parse answers another number than was sent. */
export function safeIntegers(schema: TSchema): TSchema {
  const bounded = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(bounded);
    if (typeof node !== 'object' || node === null) return node;
    const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, bounded(value)]));
    if (copy.type !== 'integer') return copy;
    return { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER, ...copy };
  };
  return bounded(schema) as TSchema;
}

/**
 * The first string or key that PostgreSQL cannot store as it was sent: where it is, and what is wrong with it.
 * Undefined if there is none.
 */
export function findUnstorable(value: unknown): { path: string; problem: string } | undefined {
  // A stack of our own: a body may be nested deeper than calls can be.
  const pending: [path: string, value: unknown][] = [['', value]];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const [path, node] = next;
    if (typeof node === 'string') {
      const problem = textProblem(node);
      if (problem) return { path, problem };
    } else if (Array.isArray(node)) node.forEach((item, i) => pending.push([`${path}[${i}]`, item]));
    else if (typeof node === 'object' && node !== null) {
      for (const [key, item] of Object.entries(node)) {
        const problem = textProblem(key);
        if (problem) return { path: path || 'A field name', problem };
        pending.push([path ? `${path}.${key}` : key, item]);
      }
    }
  }
  return undefined;
}

function textProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain NUL characters';
  // Half a surrogate pair: valid in JSON's escapes, but not a character in any encoding.
  return text.isWellFormed() ? undefined : 'must be valid Unicode';
}
