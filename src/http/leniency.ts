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
  acceptsNull: boolean;
  /** Its "" and 0 are values: see `keepEmpty`. */
  keepsEmpty: boolean;
  /** Of the object that it is, or of the objects in the list that it is. */
  fields: Fields;
}

/** The fields of an object schema, or of a union or intersection of such. */
export type Fields = ReadonlyMap<string, Field>;

export interface SchemaNode {
  type?: string | string[];
  properties?: Record<string, SchemaNode>;
  required?: string[];
  items?: SchemaNode;
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
 * its absence (the priority of an MX record, the smallest size of a node pool), however deep it is in the body.
 * Without it a client that sends "" or 0 means "none given", since godo sends so what its caller left out. null is
 * absence, too, but for a field with `keepEmpty` whose schema takes null: there a change can say "none from now on".
 */
export const keepEmpty = { 'x-keep-empty': true } as const;

const keepsEmpty = (node: SchemaNode): boolean =>
  node['x-keep-empty'] === true || branches(node).some(keepsEmpty);

/** Reads the fields out of a schema, once per operation; of a list, those of the objects in it. */
export const fieldsOf = (schema: TSchema): Fields => fieldsOfAny([schema as SchemaNode]);

function fieldsOfAny(nodes: readonly SchemaNode[]): Fields {
  const fields = new Map<string, Field>();
  const alternatives = nodes.flatMap(objectsOf);
  for (const name of new Set(alternatives.flatMap(({ properties }) => Object.keys(properties ?? {})))) {
    const owners = alternatives.filter(({ properties }) => properties && Object.hasOwn(properties, name));
    const schemas = owners.flatMap(({ properties }) => (properties?.[name] ? [properties[name]] : []));
    const type = schemas.at(-1)?.type;
    fields.set(name, {
      optional: owners.every(({ required }) => !required?.includes(name)),
      type: typeof type === 'string' ? type : undefined,
      acceptsNumber: schemas.some((each) => accepts(each, 'integer') || accepts(each, 'number')),
      acceptsNull: schemas.some((each) => accepts(each, 'null')),
      keepsEmpty: schemas.some(keepsEmpty),
      fields: fieldsOfAny(schemas),
    });
  }
  return fields;
}

/** A schema and all that it is made of, without fields: branches, and what is in a list. */
const objectsOf = (node: SchemaNode): SchemaNode[] => [
  node,
  ...[...branches(node), ...(node.items ? [node.items] : [])].flatMap(objectsOf),
];

function accepts(node: SchemaNode, type: string): boolean {
  return [node.type].flat().includes(type) || branches(node).some((each) => accepts(each, type));
}

/**
 * Takes out the optional fields whose value says "none": null, and "" and 0 where a number is wanted, unless the field
 * keeps them. Goes into objects and lists of objects as deep as the schema does; the entries of a list stay.
 */
export function dropEmpty(value: Json, fields: Fields): Json {
  for (const [name, field] of fields) {
    const given = value[name];
    if (field.optional && meansNone(given, field)) delete value[name];
    else if (field.fields.size > 0) {
      for (const each of [given].flat()) if (isObject(each)) dropEmpty(each, field.fields);
    }
  }
  return value;
}

function meansNone(given: unknown, { acceptsNumber, acceptsNull, keepsEmpty: keeps }: Field): boolean {
  if (given === null) return !(keeps && acceptsNull);
  return !keeps && (given === '' || (given === 0 && acceptsNumber));
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

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
