import type { TSchema } from 'typebox';
import { branches, type Fields, type SchemaNode } from './leniency.ts';

/**
 * Numbers and booleans that come as text. In a query or path all is text; in a body Ansible's modules and
 * DigitalOcean's own failover scripts send `"droplet_id": "123"`. Text stays text wherever the schema takes any, so
 * nothing is read into a name or into an image's slug, and a number is never made a text.
 */

type Json = Record<string, unknown>;
type Scalar = 'integer' | 'number' | 'boolean';

const scalars: ReadonlySet<string> = new Set<Scalar>(['integer', 'number', 'boolean']);

/** What cannot be read stays as it is, for the schema to refuse. Python writes its booleans as `True` and `False`. */
function scalar(text: string, type: Scalar): unknown {
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text);
  if (type === 'number' && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (type === 'boolean' && /^(true|1)$/i.test(text)) return true;
  if (type === 'boolean' && /^(false|0)$/i.test(text)) return false;
  return text;
}

/**
 * Reads the numbers, booleans and lists of a query or path. Of a parameter that is given twice the last counts,
 * unless it is a list.
 */
export function coerce(raw: Json, fields: Fields): Json {
  const value: Json = {};
  for (const [name, field] of fields) {
    const given = raw[name];
    if (given === undefined) continue;
    if (field.type === 'array') value[name] = [given].flat();
    else {
      const last: unknown = Array.isArray(given) ? given.at(-1) : given;
      value[name] = typeof last === 'string' && isScalar(field.type) ? scalar(last, field.type) : last;
    }
  }
  return value;
}

const isScalar = (type: string | undefined): type is Scalar => type !== undefined && scalars.has(type);

/** Reads a value from a body; may change objects and lists in place. */
export type Reader = (value: unknown) => unknown;

/** The reader of a body of this schema, made once per operation; undefined where there is nothing to read. */
export const readerOf = (schema: TSchema): Reader | undefined => readerOfAny([schema as SchemaNode]);

/** The reader of a value that may be of any of these schemas. It goes as deep as they do, whatever the value is. */
function readerOfAny(nodes: readonly SchemaNode[]): Reader | undefined {
  const alternatives = nodes.flatMap(flatten);
  const types = alternatives.flatMap(typesOf);
  const type = types.includes('string') ? undefined : types.find(isScalar);
  const items = alternatives.flatMap((node) => (isNode(node.items) ? [node.items] : []));
  const readItem = items.length > 0 ? readerOfAny(items) : undefined;
  const readFields = fieldReaders(alternatives);
  if (!type && !readItem && readFields.length === 0) return undefined;

  return (value) => {
    if (typeof value === 'string') return type ? scalar(value, type) : value;
    if (Array.isArray(value)) return readItem ? value.map(readItem) : value;
    if (!isNode(value)) return value;
    for (const [name, read] of readFields) {
      if (Object.hasOwn(value, name)) value[name] = read(value[name]);
    }
    return value;
  };
}

function fieldReaders(alternatives: readonly SchemaNode[]): [name: string, read: Reader][] {
  const names = new Set(alternatives.flatMap(({ properties }) => Object.keys(properties ?? {})));
  return [...names].flatMap((name) => {
    const read = readerOfAny(
      alternatives.flatMap(({ properties }) => (properties?.[name] ? [properties[name]] : [])),
    );
    return read ? [[name, read] as [string, Reader]] : [];
  });
}

/** A schema without its unions: what it is made of, each by itself. */
function flatten(node: SchemaNode): SchemaNode[] {
  const parts = branches(node);
  return parts.length > 0 ? [node, ...parts.flatMap(flatten)] : [node];
}

/** The JSON types that a schema takes by itself; one that says nothing takes text, too. */
function typesOf(node: SchemaNode): string[] {
  const values = [...(Array.isArray(node.enum) ? node.enum : []), ...('const' in node ? [node.const] : [])];
  if (values.length > 0) return values.map((value) => typeof value);
  if (node.type !== undefined) return [node.type].flat();
  return branches(node).length > 0 || node.properties ? [] : ['string'];
}

const isNode = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
